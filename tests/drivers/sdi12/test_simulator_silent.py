"""A simulated probe that is silent says nothing at all, a service request included."""

import os
import select
import time

from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus


def test_a_silent_probe_sends_no_service_request_either():
    probe = Probe("a", "13METER   TER12 600", (1.0,), seconds=1)
    bus = SimulatedBus((probe,), second_s=0.01)
    port = os.open(bus.start(), os.O_RDWR | os.O_NOCTTY)
    try:
        probe.fail("silent")
        os.write(port, b"aM!")
        assert not select.select([port], [], [], 0.3)[0]
        os.write(port, b"aM!")
        time.sleep(0.3)
        assert os.read(port, 100) == b"a0011\r\na\r\n"
    finally:
        os.close(port)
        bus.stop()
