"""Fact tables of TOML files, as rows with their own text, line and the hash of their file."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeGuard

import orjson

from edaphon.facts import model
from edaphon.people import person
from edaphon.toml_input.lines import (
    FACT_TABLES,
    ConfigError,
    Document,
    Place,
    did_you_mean,
    read_document,
)
from edaphon.toml_input.models import MOST_ERRORS, came_text, not_looked_at, validated
from edaphon_calibration.curves import curve_names, find_curve

_ALL: tuple[type[model.Fact], ...] = (
    model.Plot, model.Profile, model.Horizon, model.Sensor, model.ChannelFact, model.Deployment,
    model.FactoryCurve, model.Calibration, model.FieldCheck, model.Mark, model.Visit, model.Pause,
    model.Replacement, model.Revocation,
)  # fmt: skip
KINDS: Mapping[str, type[model.Fact]] = {kind.table: kind for kind in _ALL}
MOST_OF_ONE_ID = 100  # descriptions of one plot or sensor


class FactRow(NamedTuple):
    """One row of a fact table; `text` is its own lines, `sha256` that of the whole file."""

    fact: model.Fact
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
    """The rows that are right in themselves, and complaints; `alone`: the file holds facts only."""
    config_errors = list(_single_brackets(document))
    if alone:
        config_errors += [*document.config_errors, *islice(_foreign_tables(document), MOST_ERRORS)]
    sha256 = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    rows: list[FactRow] = []
    ids = Counter[str]()
    texts = _Texts(document)
    for place, row in _written_rows(document):
        if len(config_errors) >= MOST_ERRORS:
            config_errors.append(not_looked_at(document, place))
            break
        fact, found = validated(document, place, KINDS[str(place[0])], row)
        config_errors += found
        if fact is not None and (times := ids[fact.id] + 1) > MOST_OF_ONE_ID:
            came = f'"{fact.id}" is the id of {times} rows'
            right = f"at most {MOST_OF_ONE_ID} rows of one id in a file"
            config_errors.append(document.error((*place, "id"), came, right))
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
    fact: model.Fact,
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
            yield document.error((name,), "unknown table", did_you_mean(name, FACT_TABLES))


def _single_brackets(document: Document) -> Iterator[ConfigError]:
    for name, value in document.table.items():
        if name in FACT_TABLES and not isinstance(value, list):
            right = f"use [[{name}]] (double brackets) for each {name}"
            yield document.error((name,), came_text(value), right)


class FactPayload(NamedTuple):
    """A fact with its text, the SHA-256 of its file, who applied it and by which account."""

    fact: model.Fact
    text: str
    sha256: str
    file: str
    who: str
    account: str = ""

    @property
    def person(self) -> str:
        return person(self.who, self.account)


def table_of(fact: model.Fact) -> dict[str, Any]:
    """The fact as a JSON object with `kind` and every key that has a value, defaults included."""
    return {"kind": fact.table, **fact.model_dump(mode="json", by_alias=True, exclude_none=True)}


def fact_of(table: Mapping[str, Any]) -> model.Fact:
    """The inverse of `table_of`; raises KeyError or ValueError for what is no fact."""
    row = dict(table)
    kind = KINDS[row.pop("kind")]
    if kind in {model.Calibration, model.FactoryCurve}:
        row["parameters"] = _in_order(row["curve"], row["parameters"])
    return kind.model_validate(row)


def _in_order(curve_name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """In the curve's order, which a covariance follows; JSON has sorted them by name."""
    places = find_curve(curve_name).places if curve_name in curve_names() else {}
    in_order = sorted(parameters, key=lambda name: places.get(name, len(places)))
    return {name: parameters[name] for name in in_order}


def to_payload(
    fact: model.Fact, text: str, sha256: str, file: str, who: str, account: str = ""
) -> bytes:
    whole = {"fact": table_of(fact), "text": text, "sha256": sha256, "file": file, "who": who}
    whole |= {"account": account} if account else {}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def from_payload(payload: bytes) -> FactPayload:
    """Raises KeyError or ValueError for bytes that no `to_payload` wrote."""
    whole = orjson.loads(payload)
    if not isinstance(whole, dict) or not isinstance(whole.get("fact"), dict):
        raise ValueError("expected a JSON object with a fact in it")
    text, sha256, file, who = (whole[key] for key in ("text", "sha256", "file", "who"))
    return FactPayload(fact_of(whole["fact"]), text, sha256, file, who, whole.get("account", ""))


def in_order(rows: Sequence[FactRow]) -> list[FactRow]:
    """What a row supersedes comes before it, else the rows stay as they are read: by file name."""
    by_id: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        by_id.setdefault(row.fact.id, []).append(at)
    placed: dict[int, None] = {}
    for first in range(len(rows)):
        chain_of, at = dict[int, None](), first
        while at not in placed and at not in chain_of:
            chain_of[at] = None
            at = _superseded(rows, by_id, at)
        placed |= dict.fromkeys(reversed(chain_of))
    return [rows[at] for at in placed]


def _superseded(rows: Sequence[FactRow], by_id: Mapping[str, list[int]], at: int) -> int:
    """The last row that this one supersedes, itself if none; renewals keep their order."""
    fact = rows[at].fact
    found = [n for n in by_id.get(fact.supersedes or "", ()) if n != at]
    if fact.supersedes == fact.id:
        found = [n for n in found if rows[n].fact.supersedes != fact.id]
    return found[-1] if found else at


def documents_of(rows: Sequence[FactRow]) -> list[dict[str, Any]]:
    """Each text once, with the line and id of every row of it that is meant."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row.file, row.document), []).append({"line": row.line, "id": row.fact.id})
    return [{"file": file, "text": text, "rows": own} for (file, text), own in found.items()]


def rows_of(documents: Iterable[Mapping[str, Any]]) -> tuple[list[FactRow], list[ConfigError]]:
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
        yield ConfigError(file, line, "", "no fact without an error", f'the fact with id = "{id}"')
