"""Entries that ended the service: those taken one by one, and those that are tried once more."""

from collections.abc import Callable, Iterable, Sequence

from edaphon.derive.decode import Sources
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import Item
from edaphon.derive.state import State
from edaphon.journal.guard import AGAIN, Suspect
from edaphon.model import EntryId

__all__ = ["ONE_BY_ONE", "RECOUNT", "settled", "span", "try_again"]

ONE_BY_ONE = 100  # entries in a turn
RECOUNT = "set aside before"  # a meaning that no settings give: the files are counted once more


def span(due: Sequence[int], items: Sequence[Item], position: EntryId) -> tuple[int, int]:
    """The numbers of the first and last entry of a step; where records waited, up to `position`."""
    first = due[0] if due else items[0][0].number
    last = max(due[-1], position.number) if due else 0
    return first, max(last, items[-1][0].number) if items else last


def settled(
    suspects: Iterable[Suspect], position: EntryId, due: Sequence[int], again: EntryId
) -> list[Suspect]:
    """Those that were taken without an end; `again` is where the journal is read once more."""
    return [
        one
        for one in suspects
        if one.last <= (again if one.work == AGAIN else position).number
        and not any(one.holds(number) for number in due)
    ]


def try_again(
    state: State,
    aside: Iterable[int],
    sources: Sources,
    recall: Callable[[Iterable[EntryId]], Iterable[Item]],
) -> set[str]:
    """Let records wait that were passed over and no longer are; the paths of files among them.

    They are taken as those whose clock has become known; the lines of a file have an order, and
    are read once more from the first.
    """
    known = set(aside)
    again = [number for number in state.aside if number not in known]
    state.aside = [number for number in state.aside if number in known]
    files: set[str] = set()
    for sequence, record in recall(EntryId.of(number) for number in again):
        state.counts.dead -= 1
        if record.source in sources.files:
            state.counts.decoded += 1
            state.files.setdefault(record.source, SourceFiles()).meaning = RECOUNT
            files.add(record.source)
            continue
        state.counts.held += 1
        if record.boot in state.boots:
            state.due.append(sequence.number)
            if sequence.number < state.placed:
                state.displaced.append((sequence.number, sequence.number))
        else:
            state.held.setdefault(record.boot, []).append(sequence.number)
    return files
