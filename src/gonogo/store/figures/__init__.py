"""Figures that can be derived: compared with what is stored, and rebuilt where they differ."""
