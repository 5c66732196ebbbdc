"""The share of a core that a quiet plot costs: twenty probes asked each minute, 60 channels."""

import time
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.nodes import influx
from tests.benchmarks.peers import get
from tests.benchmarks.processes import cpu_s, line_from, python, resident_mb
from tests.benchmarks.simulated_line import ADDRESSES
from tests.stories.station import Station, teros12_facts

__all__ = ["TITLE", "figures"]

SECONDS = 120
TITLE = f"20 TEROS 12 on one line, asked each minute, for {SECONDS} s"


def figures(folder: Path) -> list[Figure]:
    with (
        python("tests.benchmarks.simulated_line") as line,
        python("tests.benchmarks.counting_sink") as sink,
    ):
        bus = f'[bus.sdi12]\nkind = "sdi12"\nport = "{line_from(line, 20).strip()}"\n'
        sink_port = int(line_from(sink, 20))
        station = Station(folder, [bus, *map(_source, ADDRESSES), influx(sink_port)], [_facts()])
        station.start()
        time.sleep(5)
        assert station.process is not None
        before, lines = cpu_s(station.process.pid), get(sink_port, "/lines")["lines"]
        time.sleep(SECONDS)
        spent = cpu_s(station.process.pid) - before
        come = get(sink_port, "/lines")["lines"] - lines
        resident = resident_mb(station.process.pid)
        station.stop()
    return [
        Figure("CPU, % of a core", 100 * spent / SECONDS, 2.0, True),
        Figure("values in the sink", come, SECONDS // 60 * 3 * len(ADDRESSES)),
        Figure("RSS [MB]", resident, 80.0, True),
    ]


def _source(address: str) -> str:
    return (
        f'[[source]]\nbus = "sdi12"\naddress = "{address}"\n'
        f'model = "meter.teros12"\ninterval = "1min"\n'
    )


def _facts() -> str:
    return "\n".join(
        teros12_facts(f"sdi12/{address}", f"probe-{address}")
        + f'[[channel]]\nid = "probe-{address}-ec"\nplot = "probe-{address}"\n'
        f'quantity = "bulk_electrical_conductivity"\nunit = "dS/m"\ndepth_cm = 5\n'
        f'[[deployment]]\nid = "d-probe-{address}-ec"\nchannel = "probe-{address}-ec"\n'
        f'source = "sdi12/{address}"\noutput = "bulk_electrical_conductivity"\n'
        for address in ADDRESSES
    )
