"""What happened, hour by hour."""
