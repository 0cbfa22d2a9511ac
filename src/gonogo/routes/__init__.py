"""Routes: where calls go now, also without the store."""
