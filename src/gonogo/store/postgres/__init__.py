"""The store on PostgreSQL: the same works over another connection, keys that begin with a shard."""
