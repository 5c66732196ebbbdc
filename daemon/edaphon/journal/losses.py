"""Losses that were declared in the journal, until a person has acknowledged them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edaphon.journal.copies import Copies, copies_in, reached_in
from edaphon.journal.entry import Kind
from edaphon.journal.files import file_path, numbers_there
from edaphon.journal.reader import DamagedRow, read_only
from edaphon.model import EntryId

__all__ = [
    "Loss",
    "Missing",
    "acknowledged_places",
    "acknowledged_releases",
    "acknowledgement",
    "covered",
    "declaration",
    "entered_again",
    "holds",
    "losses_in",
    "lost_end",
    "missing_files",
    "open_losses",
    "undeclared",
]


class Missing(NamedTuple):
    """Entries of a file that are gone, to the last that is known; None: no last one is known."""

    first: int
    last: int | None
    why: str


class Loss(NamedTuple):
    """A journal file, or its end, that was lost; `place` is where that is declared."""

    place: EntryId
    received_ns: int
    number: int
    file: str
    why: str
    first: int | None = None
    last: int | None = None
    rows: bool = False  # of a file that is there

    @property
    def whole(self) -> bool:
        """Whether it is all of the file."""
        return not self.rows and (self.first or 1) == 1

    @property
    def n(self) -> int:
        """How many entries it names; 0 where that is not known."""
        return self.last - self.first + 1 if self.first and self.last else 0

    @property
    def words(self) -> str:
        """The loss, and what can be done, for a person."""
        return (
            f"{self.why}; see what is left with `edaphon salvage {self.number}`, then, once this is"
            " noted, `edaphon salvage --acknowledge`"
        )


def losses_in(copies: Copies) -> list[Loss]:
    """All that were ever declared, in order."""
    found = []
    for place, entry in copies.of_kind(Kind.LOST):
        table = orjson.loads(entry.payload)
        if "number" in table:
            range_ = table.get("first"), table.get("last")
            names = table["number"], table["file"], table["why"]
            found.append(Loss(place, entry.received_ns, *names, *range_, "rows" in table))
    return found


def open_losses(copies: Copies) -> list[Loss]:
    """Those that no person has acknowledged since."""
    until = max((place for place, _ in _acknowledgements(copies)), default=EntryId(0, 0))
    return [loss for loss in losses_in(copies) if loss.place > until]


def missing_files(folder: Path, reached: EntryId | None) -> dict[int, Missing]:
    """By number, files that were begun, or reached, and are neither there nor set aside nor
    declared as lost."""
    copies = copies_in(folder)
    declared = {loss.number for loss in losses_in(copies) if loss.whole}
    begun = copies.files | copies.copied_files | ({reached.file} if reached else set())
    found = {}
    for number in sorted(begun - numbers_there(folder) - declared):
        last = reached.n if reached and reached.file == number else None
        why = f"{file_path(folder, number).name} is not there any more"
        found[number] = Missing(1, last, why)
    return found


def undeclared(folder: Path, reached: EntryId | None) -> list[Loss]:
    """Files that are gone, and an end of the newest that is, before a start has declared them.

    `reached` is the last place that others know to have been committed. Nothing is written.
    """
    copies, marks = copies_in(folder), (reached_in(folder), reached)
    reached = max((*copies.places[-1:], *filter(None, marks)), default=None)
    gone = missing_files(folder, reached)
    last = read_only(folder).last
    if last and reached and last.file == reached.file and last.n < reached.n:
        name = file_path(folder, last.file).name
        gone[last.file] = Missing(last.n + 1, reached.n, lost_end(name, last.n, reached.n))
    return [
        Loss(EntryId(0, 0), 0, number, file_path(folder, number).name, m.why, m.first, m.last)
        for number, m in gone.items()
    ]


def lost_end(name: str, last_n: int, reached_n: int) -> str:
    """Why a file that is there has lost entries."""
    return f"{name} ends with entry {last_n}, and {reached_n} were committed"


def covered(losses: Iterable[Loss], damage: DamagedRow) -> bool:
    """Whether these losses hold all entries of a run that can't be read."""
    return any(holds(loss, damage.first) and holds(loss, damage.last) for loss in losses)


def holds(loss: Loss, place: EntryId) -> bool:
    """Whether that entry is one of the lost ones."""
    after_end = loss.last is not None and place.n > loss.last
    return loss.number == place.file and (loss.first or 1) <= place.n and not after_end


def declaration(damage: DamagedRow, folder: Path) -> bytes:
    """The payload of an entry of kind LOST: these rows of a file that is there can't be read."""
    number, first, last = damage.first.file, damage.first.n, damage.last.n
    name = file_path(folder, number).name
    rows = f"entry {first}" if first == last else f"the entries {first} to {last}"
    why = f"{rows} of {name} can't be read: damaged"
    table = {"file": name, "number": number, "first": first, "last": last, "why": why}
    return orjson.dumps({**table, "rows": True})


def acknowledged_places(copies: Copies) -> set[EntryId]:
    """Lost entries of meaning that were entered again, or that a person gives up."""
    tables = [orjson.loads(entry.payload) for _, entry in copies.of_kind(Kind.LOST)]
    return {EntryId.of(n) for table in tables for n in table.get("without", ())}


def acknowledged_releases(copies: Copies) -> set[tuple[str, str]]:
    """Names of releases with what was found wrong with each, as far as a person has noted it."""
    tables = [table.get("releases", {}) for _, table in _acknowledgements(copies)]
    return {(name, words) for table in tables for name in table for words in table[name]}


def acknowledgement(
    who: str,
    without: Iterable[EntryId],
    releases: Mapping[str, list[str]] | None = None,
    account: str = "",
) -> bytes:
    """The payload of an entry of kind LOST that closes all losses before it."""
    places = [place.number for place in without]
    table: dict[str, Any] = {"acknowledged": True, "who": who, "without": places}
    table |= {"releases": dict(releases)} if releases else {}
    table |= {"account": account} if account else {}
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS)


def entered_again(places: Iterable[EntryId], by: EntryId | None = None) -> bytes:
    """The payload of an entry of kind LOST: later entries stand for those of these places.

    `by` is one that is read in the place of each of them: a configuration of the same words.
    """
    table: dict[str, Any] = {"without": sorted(place.number for place in places)}
    return orjson.dumps(table | ({"by": by.number} if by else {}))


def _acknowledgements(copies: Copies) -> list[tuple[EntryId, dict[str, Any]]]:
    rows = [(place, orjson.loads(entry.payload)) for place, entry in copies.of_kind(Kind.LOST)]
    return [(place, table) for place, table in rows if table.get("acknowledged")]
