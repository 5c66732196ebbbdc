"""How long it takes to learn who is on a full SDI-12 line, next to the time the wire needs.

The simulated line answers when a real one would: after break, marking, the characters of question
and answer at 1200 baud and the shortest turn-around. What the specification (v1.4) asks for:

    question of n characters, answer of m = 12 ms break + 8.33 ms marking + n c + 8.33 ms + m c
    c = 10 bits / 1200 baud = 8.33 ms

A further question to the same probe needs no break within 87 ms. Silence costs three tries, the
last more than 112.5 ms after the first break, and 16.67 ms of waiting behind it (7.2).
"""

import string
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from tests.benchmarks.figures import Figure

from edaphon.acquire.bus import BusOwner
from edaphon.acquire.line_tools import ANSWERS, SILENT, ToolLine, hold, look_sdi12, sdi12_presence
from edaphon.clock import SystemClock
from edaphon_drivers.links import SerialOptions
from edaphon_drivers.links.serial import SerialLink
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Timing

__all__ = ["TITLE", "figures"]

ADDRESSES = string.digits + string.ascii_lowercase + string.ascii_uppercase
TITLE = f"scan of an SDI-12 line, {len(ADDRESSES)} addresses, next to the time of the wire"
BREAK_S, MARKING_S, CHARACTER_S = 0.012, 0.00833, 10 / 1200
LAST_TRY_S, WAIT_S = 0.1125, 0.01667
IDENTITY = "14METER   TER12 411T12-00041873"
QUESTIONS = 3  # times that a probe is asked who it is
SILENT_ONES = 20


def wire_s(sent: int, came: int, wakes: bool = True) -> float:
    """A question and its answer [s]."""
    waking_s = BREAK_S + MARKING_S if wakes else 0.0
    return waking_s + sent * CHARACTER_S + MARKING_S + came * CHARACTER_S


# a! is answered a CR LF; aI! by address, identity, CR LF.
PRESENCE_S = wire_s(2, 3)
ONCE_S = wire_s(3, len(IDENTITY) + 3, wakes=False)
SILENCE_S = BREAK_S + LAST_TRY_S + 2 * CHARACTER_S + WAIT_S


def figures(folder: Path) -> list[Figure]:
    with line(ADDRESSES) as bus:
        full_s = scanned(bus, ADDRESSES, ANSWERS)
    with line("") as bus:
        silent_s = scanned(bus, ADDRESSES[:SILENT_ONES], SILENT) / SILENT_ONES
    per_probe_s = PRESENCE_S + QUESTIONS * ONCE_S
    n = len(ADDRESSES)
    return [
        Figure(f"full line, a! and {QUESTIONS} times aI! each [s]", full_s, n * per_probe_s),
        Figure("of it for a probe [s]", full_s / n, per_probe_s),
        Figure("a silent address [s]", silent_s, SILENCE_S),
        Figure("a line with one probe, from these [s]",
               full_s / n + (n - 1) * silent_s, per_probe_s + (n - 1) * SILENCE_S),
    ]  # fmt: skip


@contextmanager
def line(addresses: str) -> Iterator[BusOwner]:
    """A line with those probes, each as slow as its wire."""
    simulated = SimulatedBus([slow_probe(address) for address in addresses])
    port = simulated.start()
    bus = BusOwner("line", lambda: SerialLink(port, SerialOptions(baud=9600)), SystemClock())
    bus.start()
    try:
        yield bus
    finally:
        bus.stop()
        simulated.stop()


def slow_probe(address: str) -> Probe:
    probe = Probe(address, IDENTITY, [1807.82, 21.0, 1])

    def takes_its_time(command: str) -> str:
        came = len(IDENTITY) + 3 if command.endswith("I") else 3
        probe.late_s = wire_s(len(command) + 1, came, wakes=not command.endswith("I"))
        return "late"

    probe.fault = takes_its_time
    return probe


def scanned(bus: BusOwner, addresses: Sequence[str], expected: str) -> float:
    """Seconds that it took, with the timing of `edaphon scan`."""
    timing = ToolLine(cast(Any, None), bus, {}, None, Timing()).short
    begun = time.monotonic()
    for address in addresses:
        finished = hold(bus, look_sdi12(address, timing), 60)
        assert sdi12_presence(address, finished.turns).state == expected  # noqa: S101
    return time.monotonic() - begun
