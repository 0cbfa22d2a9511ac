"""Where evidence, money, routes and decisions are kept."""
