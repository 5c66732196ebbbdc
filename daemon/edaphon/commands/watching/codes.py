"""Why the newest row of a channel has no number, in the words of its instrument's model sheet."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edaphon.config import LorawanSource, within_physics
from edaphon.facts.model import Deployment
from edaphon.journal import DamagedRow
from edaphon.nouns import Sequence
from edaphon_drivers.faults import Fault

if TYPE_CHECKING:
    from edaphon.commands.service import Service

__all__ = ["Codes"]


class Codes:
    """Decodes a record once for each new failure of a channel."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        scripts = service.config.sources  # a maker's JavaScript belongs to the deriver's thread
        self._closed = {s.path for s in scripts if isinstance(s, LorawanSource) and s.codec_file}
        self._known: dict[str, tuple[int, str]] = {}  # by channel: sequence, code

    def last(self, deployment: Deployment, failed: Mapping[int, int]) -> str:
        """The code of the latest failure; `failed`: time [UTC ns] -> sequence of the record."""
        if not failed or deployment.source in self._closed:
            return ""
        latest = max(failed)
        known = self._known.get(deployment.channel)
        if known is None or known[0] != failed[latest]:
            known = failed[latest], self._decoded(deployment, failed[latest], latest)
            self._known[deployment.channel] = known
        return known[1]

    def _decoded(self, deployment: Deployment, sequence: int, time_ns: int) -> str:
        service = self._service
        try:
            entry = service.journal.entry(Sequence.of(sequence))
            decoded = service.deriver.sources.decode(entry)
        except (DamagedRow, KeyError, Fault):
            return ""
        own = [
            reading
            for reading in within_physics(decoded.readings)
            if reading.output == deployment.output and reading.number is None
        ]
        here = [reading for reading in own if reading.time_ns == time_ns] or own
        return here[-1].status.value if here else ""
