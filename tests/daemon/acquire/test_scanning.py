"""A look at an address between the measurements of its line: it waits, and spoils nothing."""

import threading
from functools import partial

from edaphon.acquire.bus import BusOwner, Finished
from edaphon.acquire.line_tools import (
    ANSWERS,
    hold,
    look_sdi12,
    question,
    sdi12_presence,
    when_free,
)
from edaphon.clock import SystemClock
from edaphon_drivers.links.serial import SerialLink
from edaphon_drivers.sdi12.engine import measure
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Asking, Timing

QUICK = Timing(answer_s=0.3, gap_s=0.02, late_s=0.1, second_s=0.5, tries=1, sequences=1)


def test_a_look_waits_until_a_concurrent_measurement_there_is_done():
    one = Probe("a", "13METER   TER12 411T12-1", [1807.82, 21.0, 1])
    line = SimulatedBus([one], second_s=0.3)
    path = line.start()
    bus = BusOwner("sdi12", lambda: SerialLink(path), SystemClock())
    bus.start()
    ended: list[Finished] = []
    done = threading.Event()

    def on_end(finished: Finished) -> None:
        ended.append(finished)
        done.set()

    try:
        talk = measure("a", load_sheet("meter.teros12"), Asking(QUICK, concurrent=True))
        bus.submit("a", talk, 10, on_end)
        free = partial(bus.is_talking, "a")
        found = hold(bus, when_free(free, look_sdi12("a", QUICK)), 10)
        assert done.wait(10)
        last = hold(bus, question(b"aI!", 0.3, 0.05), 10)
    finally:
        bus.stop()
        line.stop()
    assert ended[0].fault is None
    assert one.asked == ["aC", "aD0", "a", "aI", "aI", "aI", "aI"]
    assert sdi12_presence("a", found.turns).state == ANSWERS
    assert [turn.data for turn in last.turns] == [b"aI!", b"a13METER   TER12 411T12-1\r\n"]
