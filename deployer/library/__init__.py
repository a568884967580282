"""What is shipped: files, names and versions. Pure: bytes are given, nothing is opened here."""
