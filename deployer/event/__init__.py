"""The event that started a run on GitHub: hostile bytes in, one value out."""
