"""Detectors on the meaning of outputs, as vectors."""
