"""What may come in from outside: the characters of names, and the bounds of bytes."""
