"""What every HTTP server and client of gonogo shares."""
