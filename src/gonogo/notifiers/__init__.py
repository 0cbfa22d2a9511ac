"""Ways to tell people of an incident. Each passes one contract suite against a strict receiver."""
