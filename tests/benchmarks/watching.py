"""What the alerts cost: CPU of a look at a station of 60 channels, and memory of all they hold."""

import gc
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.nodes import CHANNELS, NODES, broker, facts, influx, sources, topic
from tests.benchmarks.processes import resident_mb
from tests.programs import free_port
from tests.stories.station import Station

from edaphon.alerts.notifier import Notifier
from edaphon.service.service import Service

__all__ = ["TITLE", "figures"]

TITLE = f"alerts of a station with {CHANNELS} channels, each with a new value at each look"
LOOKS = 100
AIM_PERCENT, AIM_MB = 0.5, 3.0


def figures(folder: Path) -> list[Figure]:
    station = Station(folder, [broker(free_port()), sources(), influx(free_port())], [facts()])
    words = [sys.executable, "-m", "tests.benchmarks.watching", str(station.file)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return [
        Figure("CPU of a look [ms]", found["look_ms"]),
        Figure("CPU, a look each 30 s [% of a core]", found["look_ms"] / 300, AIM_PERCENT, True),
        Figure("memory of code and state [MB]", found["code_mb"] + found["state_mb"], AIM_MB, True),
        Figure("  of it state [MB]", found["state_mb"]),
    ]


def main(file: Path) -> None:
    """In a process of its own: memory is measured before and behind the first looks."""
    import edaphon.sinks.influxdb  # noqa: F401  all that runs without alerts too

    gone = [name for name in sys.modules if name.startswith("edaphon.alerts")]
    code_mb = _code_mb(gone)
    from edaphon.service.process import running
    from edaphon.service.sources import Overrides

    with running(file, Overrides(look_every_s=10**6)) as service:
        while not service.alerts.passes:
            time.sleep(0.05)
        spent_s = 0.0
        for n in range(LOOKS):
            _say(service, n)
            begun_s = time.thread_time()
            service.alerts.look()
            spent_s += time.thread_time() - begun_s
        state_mb = _state_mb(service.alerts)
    print(json.dumps({"look_ms": spent_s / LOOKS * 1e3, "code_mb": code_mb, "state_mb": state_mb}))


def _code_mb(names: list[str]) -> float:
    """What importing the alerts adds: they are taken out and imported once more."""
    import importlib

    kept = {name: sys.modules.pop(name) for name in names}
    gc.collect()
    before_mb = resident_mb(os.getpid())
    for name in sorted(kept):
        importlib.import_module(name)
    added_mb = resident_mb(os.getpid()) - before_mb
    sys.modules.update(kept)
    return added_mb


def _state_mb(alerts: "Notifier") -> float:
    """What all that they hold takes, counted object by object."""
    import tracemalloc

    values = alerts._station._values  # type: ignore[attr-defined]
    own = alerts.situation, alerts._found, alerts.book, values.channels, values.supplies
    packed = pickle.dumps(own)
    tracemalloc.start()
    copy = pickle.loads(packed)  # noqa: S301  our own
    taken, _ = tracemalloc.get_traced_memory()
    del copy
    tracemalloc.stop()
    return taken / 1e6


def _say(service: Service, n: int) -> None:
    """One message of each node."""
    from edaphon.journal import Kind
    from edaphon_drivers.readings import pack_message

    now_ms = time.time_ns() // 10**6
    for node in range(NODES):
        data = json.dumps({"t": now_ms, "vwc": 0.2 + n * 1e-4, "temp": 11.5, "ec": 0.1})
        payload = pack_message(topic(node), data.encode(), 0, False, False)
        service.journal.append([service.keeper.entry(Kind.RECORD, "local", payload)])
    time.sleep(0.15)  # the deriver collects for a tenth of a second


if __name__ == "__main__":
    main(Path(sys.argv[1]))
