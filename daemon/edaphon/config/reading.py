"""From the text of edaphon.toml to a configuration, or to every complaint about it at once."""

from edaphon.config.model import Configuration
from edaphon.written import FACT_TABLES, Complaint, Document
from edaphon.written.models import validated

__all__ = ["file_complaints", "read_config"]


def read_config(document: Document) -> tuple[Configuration | None, list[Complaint]]:
    """Looks at nothing but the text; fact tables in it are left to the facts."""
    table = {key: value for key, value in document.table.items() if key not in FACT_TABLES}
    return validated(document, (), Configuration, table)


def file_complaints(document: Document, config: Configuration) -> list[Complaint]:
    """About files and secrets that the configuration names and this machine does not have."""
    return []
