"""Budgets: windows, prices, forecasts, verdicts."""
