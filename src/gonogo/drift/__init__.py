"""Has a dependency changed: how much, since when, where, how sure."""
