"""Evidence that a metric's values have moved."""
