"""What happened, as one value, and its renderings for each sink. Pure: no I/O here."""
