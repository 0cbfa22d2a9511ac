"""Read-only views: lists, gauges, charts, the log."""
