"""Holds a talk with simulated probes on a pseudo terminal, without the service."""

import os
import select
import time
from contextlib import contextmanager

from edaphon.acquire.bus import is_ended
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Turn
from edaphon_drivers.simulators.sdi12 import SimulatedBus
from edaphon_drivers.talk import Ask, Timing

QUICK = Timing(answer_s=0.08, gap_s=0.004, late_s=0.08, second_s=0.02, tries=2, sequences=2)
SECOND_S = 0.005


@contextmanager
def line_with(*probes):
    """(path of the port, the simulated bus)."""
    bus = SimulatedBus(probes, second_s=SECOND_S)
    path = bus.start()
    try:
        yield path, bus
    finally:
        bus.stop()


def hold(path, talk):
    """(what the talk returned, the turns, the fault that ended it)."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    turns, answer = [], None
    try:
        while True:
            step = next(talk) if answer is None else talk.send(answer)
            if isinstance(step, Ask):
                turns.append(Turn(0, True, step.send))
                os.write(port, step.send)
            answer = _heard(port, step)
            if answer:
                turns.append(Turn(0, False, answer))
    except StopIteration as end:
        return end.value, turns, None
    except Fault as fault:
        return None, turns, fault
    finally:
        os.close(port)


def _heard(port, step):
    data, end_s = b"", time.monotonic() + step.wait_s
    while (left_s := end_s - time.monotonic()) > 0 and not is_ended(data, step.until):
        if select.select([port], [], [], left_s)[0]:
            data += os.read(port, 4096)
    return data
