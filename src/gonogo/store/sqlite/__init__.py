"""The store as a file."""
