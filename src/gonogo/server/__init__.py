"""The MCP surface: thin tools over the application."""
