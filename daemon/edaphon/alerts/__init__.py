"""Who must know what, when: conditions become incidents, incidents become messages."""
