"""Acquisition: asks and hears instruments and hands what came to the journal."""
