"""What people write in TOML: the lines of its keys, complaints, texts that become values."""
