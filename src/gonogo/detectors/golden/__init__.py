"""Golden sets: each item is its own control."""
