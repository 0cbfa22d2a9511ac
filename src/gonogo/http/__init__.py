"""The parts that every HTTP server and client of gonogo shares."""
