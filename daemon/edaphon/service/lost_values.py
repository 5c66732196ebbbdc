"""What a loss of the journal took, as far as the series and the second copies still show it."""

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import numpy as np

from edaphon.clock import DAY_NS, SECOND_NS
from edaphon.derive.fact_log import known_facts
from edaphon.journal import EntryId, read_only
from edaphon.journal.salvage import DeclaredLoss
from edaphon.series import Series
from edaphon.storage.access import Storage
from edaphon.toml_input.values import instant_text

__all__ = ["Lost", "lost_text", "lost_with"]


class Lost(NamedTuple):
    """`entries` were in the lost part (None: not known), `copied` of them stand in copies.

    `records` of it have values, measured from `first_ns` to `last_ns` [UTC ns; 0 without any].
    """

    entries: int | None
    copied: int
    records: int = 0
    first_ns: int = 0
    last_ns: int = 0
    sources: tuple[str, ...] = ()


def lost_with(storage: Storage, loss: DeclaredLoss) -> Lost | None:
    """None where the damaged file was set aside: what is lost of it shows when it is salvaged."""
    folder = storage.layout.journal
    if loss.whole and any(folder.glob(f"journal-{loss.number:06d}.sqlite.*")):
        return None
    first = EntryId(loss.number, loss.first or 1)
    last = EntryId(loss.number, loss.last or 0xFFFFFFFF)
    copied = len(read_only(folder).copies.within(first, last))
    lost = Lost(loss.last - first.n + 1 if loss.last else None, copied)
    if not storage.layout.series.exists():
        return lost
    with closing(Series(storage.layout.series, read_only=True)) as series:
        return _with_values(storage, series, lost, (first.number, last.number))


def _with_values(storage: Storage, series: Series, lost: Lost, within: tuple[int, int]) -> Lost:
    channels, records, times = set(), set(), []
    for head in series.heads():
        for run in series.read(head.channel, head.day * DAY_NS, (head.day + 1) * DAY_NS):
            own = (run.sequence >= within[0]) & (run.sequence <= within[1])
            if own.any():
                channels.add(head.channel)
                records.update(np.unique(run.sequence[own]).tolist())
                times += [int(run.time_ns[own].min()), int(run.time_ns[own].max())]
    if not records:
        return lost
    facts = known_facts(read_only(storage.layout.journal), series)
    sources = sorted({d.source for d in facts.deployments if d.channel in channels})
    names = tuple(sources or sorted(channels))
    return Lost(lost.entries, lost.copied, len(records), min(times), max(times), names)


def lost_text(lost: Lost | None) -> Iterator[str]:
    """In sentences, for a person who decides what to do."""
    if lost is None:
        return
    copies = f"; {lost.copied} are kept as copies" if lost.copied else ""
    if lost.entries is None:
        yield f"how many entries were in it is not known{copies}"
    else:
        yield f"{lost.entries - lost.copied} of {lost.entries} entries are lost{copies}"
    if not lost.records:
        yield "no value was derived from it"
        return
    first, last = (instant_text(t // SECOND_NS * SECOND_NS) for t in lost[3:5])
    n = "1 record" if lost.records == 1 else f"{lost.records} records"
    yield f"{n} with values, measured {first} to {last}: {', '.join(lost.sources)}"
    yield "values that were already derived stay; they can't be derived again"
