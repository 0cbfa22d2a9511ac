"""The chance that the next call is good, and whether such chances can be trusted."""
