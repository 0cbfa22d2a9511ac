"""Pure statistics: numpy and the pure standard library. No I/O, clock, randomness or logging."""
