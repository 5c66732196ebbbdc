"""Ways to people: each kind is one module here, found by its name."""
