"""Losses that were declared in the journal, until a person has acknowledged them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from edaphon.journal.copies import Copies
from edaphon.journal.entry import Kind
from edaphon.nouns import Sequence

__all__ = [
    "Loss",
    "Missing",
    "acknowledged_places",
    "acknowledgement",
    "entered_again",
    "losses_in",
    "open_losses",
]


class Missing(NamedTuple):
    """Entries of a file that are gone, to the last that is known; None: no last one is known."""

    first: int
    last: int | None
    why: str


class Loss(NamedTuple):
    """A journal file, or its end, that was lost; `place` is where that is declared."""

    place: Sequence
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
    until = max((place for place, _ in _acknowledgements(copies)), default=Sequence(0, 0))
    return [loss for loss in losses_in(copies) if loss.place > until]


def acknowledged_places(copies: Copies) -> set[Sequence]:
    """Lost entries of meaning that were entered again, or that a person gives up."""
    tables = [orjson.loads(entry.payload) for _, entry in copies.of_kind(Kind.LOST)]
    return {Sequence.of(n) for table in tables for n in table.get("without", ())}


def acknowledgement(who: str, without: Iterable[Sequence]) -> bytes:
    """The payload of an entry of kind LOST that closes all losses before it."""
    places = [place.number for place in without]
    table = {"acknowledged": True, "who": who, "without": places}
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS)


def entered_again(places: Iterable[Sequence]) -> bytes:
    """The payload of an entry of kind LOST: later entries stand for those of these places."""
    return orjson.dumps({"without": sorted(place.number for place in places)})


def _acknowledgements(copies: Copies) -> list[tuple[Sequence, dict[str, Any]]]:
    rows = [(place, orjson.loads(entry.payload)) for place, entry in copies.of_kind(Kind.LOST)]
    return [(place, table) for place, table in rows if table.get("acknowledged")]
