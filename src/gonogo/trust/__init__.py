"""The chance that the next call is good; the fleet; the health of scoring."""
