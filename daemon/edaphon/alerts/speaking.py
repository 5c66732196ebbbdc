"""What does not speak yet: asked at the end of a visit, while somebody is still near."""

from collections.abc import Iterator, Set
from typing import NamedTuple

from edaphon.alerts.look import Look
from edaphon.alerts.situation import Situation

__all__ = ["Unheard", "unheard"]

SPEAKS_INTERVALS = 2  # the last data are younger: it speaks


class Unheard(NamedTuple):
    """A node, and the time of the last data of it [UTC ns], None: never any."""

    node: str
    last_ns: int | None


def unheard(situation: Situation, nodes: Set[str]) -> tuple[Unheard, ...]:
    """Of these nodes the sources that don't speak, and channels of the others without a number.

    What nobody gave an interval counts as speaking.
    """
    return tuple(_unheard(situation, nodes))


def _unheard(situation: Situation, nodes: Set[str]) -> Iterator[Unheard]:
    look, silent = Look(situation, {}), set[str]()
    for source in situation.sources:
        if not _speaks(situation, source.last_ns, source.interval_ns):
            silent.add(source.node)
            if source.node in nodes:
                yield Unheard(source.node, source.last_ns)
    for channel in situation.channels:
        source_ = look.source_of(channel.node)
        if source_ is None or source_.node in silent or channel.node not in nodes:
            continue
        interval_ns = channel.interval_ns or source_.interval_ns
        if not _speaks(situation, channel.last_number_ns, interval_ns):
            yield Unheard(channel.node, channel.last_number_ns)


def _speaks(situation: Situation, last_ns: int | None, interval_ns: int | None) -> bool:
    if not interval_ns:
        return True
    return last_ns is not None and situation.now_ns - last_ns <= SPEAKS_INTERVALS * interval_ns
