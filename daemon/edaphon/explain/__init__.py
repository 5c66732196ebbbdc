"""How a value was calculated, from the bytes of its record to the number with its flag."""

from edaphon.clock import instant_text
from edaphon.explain.build import Absent, explanation_of, find_observation, why_none
from edaphon.explain.explanation import Explanation
from edaphon.explain.text import lines_of
from edaphon.explain.trace import FoundRow, History, history_of
from edaphon.journal import DamagedRow, read_only
from edaphon.journal.salvage import holds, losses_in, undeclared
from edaphon.model import EntryId
from edaphon.series import Series
from edaphon.storage.access import reached_by
from edaphon.storage.paths import Layout
from edaphon_calibration.errors import suggestion

__all__ = ["CannotExplain", "Explanation", "NoObservation", "explain", "lines_of"]


class CannotExplain(Exception):
    """There is no such channel, or the record of its value is lost; the words are for a person."""


class NoObservation(Exception):
    """A channel has no observation at that time; `why` are the reasons, one a line."""

    def __init__(self, why: list[str]) -> None:
        super().__init__("\n".join(why))
        self.why = why


def explain(layout: Layout, series: Series, channel: str, time_ns: int) -> Explanation:
    """Raises NoObservation or CannotExplain; reads the journal and the series, nothing else."""
    history = history_of(read_only(layout.journal))
    _expect_channel(channel, history)
    found = find_observation(series, history, channel, time_ns)
    if isinstance(found, Absent):
        raise NoObservation(why_none(read_only(layout.journal), series, history, found))
    try:
        return explanation_of(read_only(layout.journal), series, history, found)
    except (DamagedRow, KeyError) as error:
        raise CannotExplain(_why_lost(layout, found, error)) from None


def _expect_channel(channel: str, history: History) -> None:
    known = history.plan.channels
    if channel not in known:
        near = suggestion(channel, known)
        raise CannotExplain(f"expected the id of a channel, got {channel!r}{near}")


def _why_lost(layout: Layout, found: FoundRow, error: DamagedRow | KeyError) -> str:
    """That the record can't be read, with which file it was lost, and what stays."""
    place = EntryId.of(found.row.sequence)
    row = f"{found.channel} at {instant_text(found.row.time_ns)}: its value {found.row.value:.6g}"
    gone = undeclared(layout.journal, reached_by(layout.series))
    losses = [*losses_in(read_only(layout.journal).copies), *gone]
    loss = next((own for own in losses if holds(own, place)), None)
    if loss is None:
        got = "no entry there" if isinstance(error, KeyError) else str(error)
        return f"{row} stays; expected its record {place} in the journal, got {got}"
    declared = instant_text(loss.received_ns // 10**9 * 10**9) if loss.received_ns else ""
    when = f"declared lost at {declared}" if declared else "not declared yet"
    return (
        f"{row} stays, but can't be explained: its record {place} was lost ({loss.why}; {when});"
        f" `edaphon salvage {loss.number}` shows what is left, a backup of {loss.file} may have it"
    )
