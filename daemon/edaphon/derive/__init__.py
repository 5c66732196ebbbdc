"""From journal entries to values: decode, place, calibrate, check; live and again."""
