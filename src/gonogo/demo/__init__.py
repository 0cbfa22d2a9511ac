"""`gonogo demo`: three simulated weeks through the real ingest, server and client."""
