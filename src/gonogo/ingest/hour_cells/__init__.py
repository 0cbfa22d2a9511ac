"""Hour cells from files: their table, its checks, and the queries that make one."""
