"""What runs the library: references in raw job settings, and the inventory of them. Pure."""
