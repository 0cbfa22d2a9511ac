"""Money, routes, incidents and decisions: what was done, in SQL that both engines speak."""
