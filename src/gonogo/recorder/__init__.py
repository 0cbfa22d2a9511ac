"""The library's way in: a queue, and the thread that writes it."""
