"""Formats in: bytes to records, pure; one loop that writes."""
