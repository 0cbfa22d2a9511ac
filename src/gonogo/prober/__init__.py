"""Asks dependencies over HTTP or MCP and checks what they answer. It records nothing itself."""
