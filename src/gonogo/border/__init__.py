"""The border: which characters a name may hold, and the bounds on bytes from outside."""
