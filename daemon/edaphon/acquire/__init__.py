"""Acquisition: polls instruments, receives what others send, and hands it to the journal."""
