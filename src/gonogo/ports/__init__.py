"""Ports: the values and Protocols that subjects and engines share."""
