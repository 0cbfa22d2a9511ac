"""What outputs mean, as vectors."""
