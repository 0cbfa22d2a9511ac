"""What is only looked at: lists, gauges, charts, the log."""
