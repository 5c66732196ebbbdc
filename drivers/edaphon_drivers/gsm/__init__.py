"""Modems of the mobile network: short messages."""
