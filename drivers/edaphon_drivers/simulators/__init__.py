"""Instruments and servers that exist only in memory, for tests and the demo: a second opinion."""
