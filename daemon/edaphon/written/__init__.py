"""What people write in TOML: the lines of its keys, complaints, texts that become values."""

from edaphon.written.complaints import Complaint, did_you_mean, expected_only
from edaphon.written.lines import Document, read_document
from edaphon.written.values import FACT_TABLES

__all__ = ["FACT_TABLES", "Complaint", "Document", "did_you_mean", "expected_only", "read_document"]
