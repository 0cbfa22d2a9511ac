"""Hour cells that were counted elsewhere: stored as they came, and added to the rollups."""
