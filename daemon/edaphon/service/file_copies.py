"""The copies of followed files as the journal has them, and what a replacement takes out."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edaphon.facts import FactRow, Replacement
from edaphon.journal import Kind, read_only
from edaphon.storage.access import Storage
from edaphon_drivers.faults import Garbled
from edaphon_drivers.payloads import Follows, unpack_piece

__all__ = ["Copy", "Replaced", "copies_in", "replaced_copies", "replacement_lines"]


class Copy(NamedTuple):
    """What the journal has of one copy; pieces from before copies were counted are of copy 0."""

    source: str
    file: str
    copy: int
    pieces: int
    lines: int


class Replaced(NamedTuple):
    """A replacement, the copies that it replaces, and the newest copy that was read, if any."""

    fact: Replacement
    copies: list[Copy]
    newest: int | None


def copies_in(storage: Storage, sources: Iterable[str]) -> list[Copy]:
    """Of these sources, by source, file and copy; reads the whole journal."""
    wanted = frozenset(sources)
    if not wanted or not storage.layout.journal.exists():
        return []
    counts: dict[tuple[str, str, int], tuple[int, int]] = {}
    for _, entry in read_only(storage.layout.journal).scan(
        kinds={Kind.RECORD}, on_damage=lambda _: None
    ):
        if entry.source not in wanted:
            continue
        try:
            piece = unpack_piece(entry.payload)
        except Garbled:
            continue
        key = entry.source, piece.name, piece.copy
        pieces, lines = counts.get(key, (0, 0))
        again = piece.follows is Follows.AGAIN  # its first line was counted without its end
        counts[key] = pieces + 1, lines + piece.lines - again
    return [Copy(*key, *counted) for key, counted in sorted(counts.items())]


def replaced_copies(storage: Storage, new: Iterable[FactRow]) -> list[Replaced]:
    """Each new replacement with the copies that it replaces."""
    facts = [row.fact for row in new if isinstance(row.fact, Replacement)]
    copies = copies_in(storage, {fact.source for fact in facts})
    return [_replaced(fact, copies) for fact in facts]


def _replaced(fact: Replacement, copies: Iterable[Copy]) -> Replaced:
    own = [copy for copy in copies if copy[:2] == (fact.source, fact.file)]
    newest = max((copy.copy for copy in own), default=None)
    return Replaced(fact, [copy for copy in own if copy.copy < fact.copy_number], newest)


def replacement_lines(found: Iterable[Replaced]) -> Iterator[str]:
    for fact, copies, newest in found:
        for copy in copies:
            name = f"copy {copy.copy}" if copy.copy else "pieces from before copies were counted"
            lines = f", {copy.lines} lines" if copy.copy else ""
            yield (
                f"  {copy.file}: {name} ({copy.pieces} pieces{lines})"
                f" is replaced by copy {fact.copy_number}"
            )
        if newest is None or newest < fact.copy_number:
            known = "no file of this name" if newest is None else f"copy {newest} as the newest"
            yield (
                f"  expected a copy {fact.copy_number} of {fact.file} from {fact.source}, got"
                f" {known}; compare with `edaphon files list`, and revoke {fact.id} if it is wrong"
            )
