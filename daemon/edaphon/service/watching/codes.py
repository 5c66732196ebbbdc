"""What the rows of a channel that have no number are, in the words of its instrument's model sheet.

That an instrument failed it says itself, by a code. A cell that is empty, or no number, says only
that there is none.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edaphon.config import LorawanSource, within_physics
from edaphon.facts.model import Deployment
from edaphon.journal import DamagedRow
from edaphon.model import EntryId
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Status

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["Codes"]

_Rows = dict[tuple[int, int], Status | None]  # by time and sequence
_Statuses = Mapping[tuple[str, int | None], Status]  # by output and time [UTC ns]


class Codes:
    """Decodes each record with a failure once; `of` is asked of one channel after the other."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        scripts = service.config.sources  # a maker's JavaScript may take long
        self._closed = {s.path for s in scripts if isinstance(s, LorawanSource) and s.codec_file}
        self._known: dict[str, _Rows] = {}  # by channel
        self._said: dict[str, tuple[tuple[int, ...], str]] = {}  # what they come to
        self._record: tuple[int, _Statuses] = (-1, {})  # the last one: its channels fail together

    def of(self, deployment: Deployment, failed: Mapping[int, int]) -> tuple[tuple[int, ...], str]:
        """When the instrument said that it failed [UTC ns], in order, and the code it gave last.

        `failed` are the rows without a number: time -> sequence of the record.
        """
        if not failed:
            return (), ""
        known = self._known.get(deployment.channel, {})
        if known.keys() != failed.items():
            rows: _Rows = {}
            for row in sorted(failed.items()):
                rows[row] = known[row] if row in known else self._status(deployment, *row)
            stated = [(row[0], s) for row, s in rows.items() if s is not Status.INVALID]
            last = stated[-1][1] if stated else None
            found = tuple(time_ns for time_ns, _ in stated), last.value if last else ""
            self._known[deployment.channel], self._said[deployment.channel] = rows, found
        return self._said[deployment.channel]

    def _status(self, deployment: Deployment, time_ns: int, sequence: int) -> Status | None:
        """None where the record can't be read here."""
        if deployment.source in self._closed:
            return None
        if self._record[0] != sequence:
            self._record = sequence, self._decoded(sequence)
        statuses, output = self._record[1], deployment.output
        own = [status for (name, _), status in statuses.items() if name == output]
        return statuses.get((output, time_ns), own[-1] if own else None)

    def _decoded(self, sequence: int) -> _Statuses:
        service = self._service
        try:
            entry = service.journal.entry(EntryId.of(sequence))
            decoded = service.deriver.sources.decode(entry)
        except (DamagedRow, KeyError, Fault):
            return {}
        return {
            (reading.output, reading.time_ns): reading.status
            for reading in within_physics(decoded.readings)
            if reading.number is None
        }
