"""What answers read of observations and rollups."""
