"""What runs while somebody watches: one loop a duty, none of which can stop another."""
