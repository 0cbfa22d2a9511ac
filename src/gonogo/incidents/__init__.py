"""Degradations that are being handled, and who is told."""
