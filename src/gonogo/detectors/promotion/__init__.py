"""A new version beside the current one: evidence, hour by hour, that it is not worse."""
