"""Twenty TEROS 12 on one simulated SDI-12 line: python -m tests.benchmarks.simulated_line."""

import threading

from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

ADDRESSES = "0123456789abcdefghij"


def main() -> None:
    bus = SimulatedBus(
        [
            Probe(address, f"13METER   TER12 411T12-0000{i:04d}", [2541.37 + i, 11.5, 120])
            for i, address in enumerate(ADDRESSES)
        ],
        second_s=0.2,
    )
    print(bus.start(), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
