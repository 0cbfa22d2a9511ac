"""Where a call goes now, also without the store."""
