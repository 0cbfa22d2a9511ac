"""Evidence that shares of categories have moved."""
