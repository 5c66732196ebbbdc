"""Files that a logger or instrument program writes while the service follows them."""
