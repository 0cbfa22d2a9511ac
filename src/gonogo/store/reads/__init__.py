"""Reads of observations and rollups for answers."""
