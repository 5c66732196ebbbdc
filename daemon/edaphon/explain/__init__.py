"""How a value was calculated, from the bytes of its record to the number with its flag."""
