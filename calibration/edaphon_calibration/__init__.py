"""From a number to a trusted number: units, curves, uncertainty, checks; no I/O, no clock."""
