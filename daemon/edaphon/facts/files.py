"""Fact tables of TOML files, as rows with their own text, line and the hash of their file."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeGuard

from edaphon.facts.basis import Fact
from edaphon.facts.model import KINDS
from edaphon.toml_input import FACT_TABLES, ConfigError, Document, did_you_mean
from edaphon.toml_input.lines import Place
from edaphon.toml_input.models import MOST_ERRORS, came_text, not_looked_at, validated

__all__ = ["FactRow", "read_facts", "written_ids"]


MOST_OF_ONE_ID = 100  # descriptions of one plot or sensor


class FactRow(NamedTuple):
    """One row of a fact table; `text` is its own lines, `sha256` that of the whole file."""

    fact: Fact
    text: str
    sha256: str
    file: str
    line: int
    lines: Mapping[str, int]
    document: str = ""  # the text of the whole file, the same object for all its rows

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)


def read_facts(
    document: Document, *, alone: bool = True
) -> tuple[tuple[FactRow, ...], list[ConfigError]]:
    """The rows that are right in themselves, in the order of the file, and complaints.

    `alone` says that nothing but facts may stand in the file, so all its mistakes are told here.
    """
    config_errors = list(_single_brackets(document))
    if alone:
        config_errors += [*document.config_errors, *islice(_foreign_tables(document), MOST_ERRORS)]
    sha256 = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    rows: list[FactRow] = []
    ids = Counter[str]()
    texts = _Texts(document)
    for place, row in _written_rows(document):
        if len(config_errors) >= MOST_ERRORS:
            config_errors.append(not_looked_at(document, place, str(place[0])))
            break
        fact, found = validated(document, place, KINDS[str(place[0])], row)
        config_errors += found
        if fact is not None and (times := ids[fact.id] + 1) > MOST_OF_ONE_ID:
            came = f'"{fact.id}" stands in {times} rows'
            right = f"at most {MOST_OF_ONE_ID} rows of one id in a file"
            line = document.line((*place, "id"))
            config_errors.append(ConfigError(document.file, line, f"{place[0]}.id", came, right))
            break
        if fact is not None:
            ids[fact.id] += 1
            rows.append(_row(document, place, row, fact, sha256, texts))
    kept = [
        c for c in config_errors if c in document.config_errors or c.line not in document.repaired
    ]
    return tuple(sorted(rows, key=lambda r: r.line)), kept


def written_ids(document: Document) -> frozenset[str]:
    """The id of every row, of wrong ones too."""
    single = (v for name, v in document.table.items() if name in FACT_TABLES)
    rows = [row for row in (*single, *(r for _, r in _written_rows(document))) if _is_table(row)]
    return frozenset(row["id"] for row in rows if isinstance(row.get("id"), str))


def _is_table(row: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(row, dict)


def _written_rows(document: Document) -> list[tuple[Place, Any]]:
    return [
        ((name, at), row)
        for name in FACT_TABLES
        if isinstance(document.table.get(name), list)
        for at, row in enumerate(document.table[name])
    ]


def _row(
    document: Document,
    place: Place,
    row: Mapping[str, Any],
    fact: Fact,
    sha256: str,
    texts: "_Texts",
) -> FactRow:
    line = document.line(place)
    lines = {key: document.line((*place, key)) for key in row}
    return FactRow(fact, texts.of(line), sha256, document.file, line, lines, document.text)


class _Texts:
    """The texts of the rows of a document, which is split once."""

    def __init__(self, document: Document) -> None:
        self._lines = document.text.split("\n")
        self._heads = sorted(at for place, at in document.lines.items() if _is_row(place))

    def of(self, line: int) -> str:
        """From the row's header to the next header of another row, comments between included."""
        next_ = bisect_right(self._heads, line)
        end = self._heads[next_] if next_ < len(self._heads) else len(self._lines) + 1
        return "\n".join(self._lines[line - 1 : end - 1]).rstrip() + "\n"


def _is_row(place: Place) -> bool:
    return len(place) == 1 or (len(place) == 2 and isinstance(place[1], int))


def _foreign_tables(document: Document) -> Iterator[ConfigError]:
    for name in document.table:
        if name not in FACT_TABLES:
            line = document.line((name,))
            right = did_you_mean(name, FACT_TABLES)
            yield ConfigError(document.file, line, name, "unknown table", right)


def _single_brackets(document: Document) -> Iterator[ConfigError]:
    for name, value in document.table.items():
        if name in FACT_TABLES and not isinstance(value, list):
            line = document.line((name,))
            right = f"[[{name}]], two brackets for each row"
            yield ConfigError(document.file, line, name, came_text(value), right)
