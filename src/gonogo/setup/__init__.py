"""Setting up: a configuration to start from, and the clients that start the server."""
