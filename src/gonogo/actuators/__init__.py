"""Actuators: they bring a proxy, a flag file or a registry to the route that is wanted."""
