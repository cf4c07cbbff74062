"""One HTTP client per vendor: a connection in, typed answers out; a failure names the connection, never its secret."""
