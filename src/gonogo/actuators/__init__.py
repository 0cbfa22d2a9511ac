"""What makes a route real."""
