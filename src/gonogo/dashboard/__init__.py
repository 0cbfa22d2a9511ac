"""The panel in a browser: its page, the answers it asks for as JSON, and word of every change."""
