"""Rows and their rollups, written in one transaction."""
