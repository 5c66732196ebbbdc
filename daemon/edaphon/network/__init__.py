"""Connections to servers of others: bounded in time as a whole, verified by TLS."""
