"""Evidence that a rate has changed."""
