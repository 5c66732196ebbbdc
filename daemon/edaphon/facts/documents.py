"""Facts on their way to another process: the text that people wrote, and which rows are meant."""

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Rows
from typing import Any

from edaphon.facts.conflicts import in_order
from edaphon.facts.files import FactRow, read_facts
from edaphon.toml_input import ConfigError, read_document

__all__ = ["documents_of", "rows_of"]


def documents_of(rows: Rows[FactRow]) -> list[dict[str, Any]]:
    """Each text once, with the line and id of every row of it that is meant."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row.file, row.document), []).append({"line": row.line, "id": row.fact.id})
    return [{"file": file, "text": text, "rows": own} for (file, text), own in found.items()]


def rows_of(
    documents: Iterable[Mapping[str, Any]],
) -> tuple[list[FactRow], list[ConfigError]]:
    """The rows as their text says them; complaints about all that is wrong there."""
    rows: list[FactRow] = []
    config_errors: list[ConfigError] = []
    for table in documents:
        document = read_document(str(table["file"]), str(table["text"]))
        found, wrong = read_facts(document, alone=False)
        meant = {(int(one["line"]), str(one["id"])) for one in table["rows"]}
        own = [row for row in found if (row.line, row.fact.id) in meant]
        missing = meant - {(row.line, row.fact.id) for row in own}
        rows += own
        config_errors += sorted(
            {*document.config_errors, *wrong, *_missing(document.file, missing)}
        )
    return in_order(rows), config_errors


def _missing(file: str, missing: Iterable[tuple[int, str]]) -> Iterable[ConfigError]:
    for line, id in sorted(missing):
        yield ConfigError(file, line, "", "no fact without a mistake", f'the fact with id = "{id}"')
