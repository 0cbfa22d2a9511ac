"""Use cases, one file a question; they see the outside through the Protocols in ports.py."""
