"""The store of evidence, money, routes and decisions, on SQLite and PostgreSQL."""
