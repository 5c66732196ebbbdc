"""What people write in TOML: the lines of its keys, complaints, texts that become values."""

from edaphon.toml_input.lines import (
    FACT_TABLES,
    ConfigError,
    Document,
    did_you_mean,
    expected_only,
    read_document,
)

__all__ = [
    "FACT_TABLES",
    "ConfigError",
    "Document",
    "did_you_mean",
    "expected_only",
    "read_document",
]
