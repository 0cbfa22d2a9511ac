"""Forecasts of the cost of planned calls."""
