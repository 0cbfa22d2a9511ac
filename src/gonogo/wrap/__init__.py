"""`gonogo wrap`: a transparent proxy around another MCP server that records each tool call.

Bytes pass as they came, in order; looking at them is second to passing them on. Nothing heavy is
imported before the first call has been answered.
"""
