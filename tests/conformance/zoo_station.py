"""A whole service without its threads, in simulated time, whose instruments are a zoo's series.

The logger's file grows on a disk, or messages come in; follower, journal, deriver, series, rules,
incidents and sender are the service's own.
"""

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import orjson
from tests.conformance.zoo_files import Play, Rows

from edaphon.alerts.model import Incident, Message
from edaphon.config import read_config
from edaphon.facts import read_facts
from edaphon.journal import Kind
from edaphon.model import EntryId
from edaphon.service.jobs import Threads
from edaphon.service.service import QUALITY_EVERY_S, Service
from edaphon.service.sources import Overrides, all_committed
from edaphon.toml_input.lines import read_document
from edaphon_calibration.checks import Flag
from edaphon_drivers.readings import pack_message

__all__ = ["ReceivedMessage", "ZooStation"]

SECOND = 10**9
START_NS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * SECOND
WRITTEN_S = 20  # after the time of a row: so late its line is in the file
SOURCE, BROKER, PLOT = "zoo", "radio", "zoo-plot"
LOOKS = 10  # in an interval, where the minute counts
CALM_LOOKS = (1, 5)  # else; around a fault, which is not about what is false, the second
FINE_ROWS = 8
BAD = (Flag.SUSPECT, Flag.FAIL, Flag.MISSING)


class ManualClock:
    def __init__(self, now_ns: int) -> None:
        self.now_ns, self.began_ns = now_ns, now_ns

    def wall_ns(self) -> int:
        return self.now_ns

    def mono_ns(self) -> int:
        return 10**15 + self.now_ns - START_NS

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        return stop.is_set()


class StillThreads(Threads):
    def run(self, name: str, life: Callable[[], None]) -> None:
        pass


class StillService(Service):
    """No part has a thread of its own but the journal's writer: who plays it does each step."""

    def _start_jobs(self) -> None:
        pass

    def _wait_derived(self, place: EntryId) -> None:
        self.derive()

    def derive(self) -> None:
        while self.deriver.turn():
            pass


@dataclass(frozen=True)
class ReceivedMessage:
    """A message as its receiver has it, with the incident as it was then."""

    time_ns: int
    message: Message
    incident: Incident | None


@dataclass
class _Receiver:
    clock: ManualClock
    service: StillService = field(init=False)
    received: list[ReceivedMessage] = field(default_factory=list)

    def send(self, message: Message) -> None:
        incident = self.service.alerts.book.incidents.get(message.number)
        self.received.append(ReceivedMessage(self.clock.now_ns, message, incident))

    def close(self) -> None:
        pass


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings of a month of faults are not shown; what runs afterwards in this process has its."""
    log = logging.getLogger("edaphon")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


class ZooStation:
    """`play` once. What is in the series before its first row stands in the file already."""

    def __init__(self, play: Play, folder: Path) -> None:
        self.zoo, self.site, self.folder = play, play.site, folder
        self.file = folder / "data" / "soil.csv"
        self.columns = [c for p in self.site.probes for c in self.site.outputs(p)]
        self.own = [c for c in self.columns if self._topic(c) is None]
        self.looks = 0
        self.tested_ns = 0

    def _topic(self, column: str) -> str | None:
        """The topic of a probe with a radio; None: it is in the file."""
        for probe, own in self.site.probes.items():
            if column in own["outputs"]:
                return f"soil/{probe}" if probe in self.site.messages else None
        return None

    # -- its life --------------------------------------------------------------------------

    def play(self, first: int, end: int) -> None:
        """From row `first` on in small steps until row `end`."""
        self.file.parent.mkdir(parents=True)
        past = {row: own for row, own in self.zoo.rows.items() if row < first}
        self.clock = ManualClock(self.time_ns(first) - SECOND)
        self._write(past)
        with self._running() as service:
            self._send_messages(past)
            self._take_in()
            stopped = threading.Event()
            stopped.set()
            service.alerts.run(stopped)  # begins, and looks at nothing yet
            for row in range(first, end):
                self._row(row)
            self.nodes = dict(service.alerts.nodes)
            self.passed = {column: self._passed(column) for column in self.columns}

    @property
    def received(self) -> list[ReceivedMessage]:
        return self.receiver.received

    def _passed(self, column: str) -> frozenset[int]:
        """The rows that have a number which no check doubts."""
        runs = self.service.series.read(column, START_NS, self.time_ns(self.zoo.end))
        return frozenset(
            (time_ns - START_NS) // self.site.interval_ns
            for run in runs
            for time_ns, flag, raw in zip(
                run.time_ns.tolist(), run.flag.tolist(), run.raw.tolist(), strict=True
            )
            if flag not in BAD and raw == raw
        )

    def time_ns(self, row: int) -> int:
        return START_NS + row * self.site.interval_ns

    @contextmanager
    def _running(self) -> Iterator[StillService]:
        document = read_document("edaphon.toml", self._configuration())
        config, complaints = read_config(document)
        assert config is not None, complaints
        self.receiver = _Receiver(self.clock)
        with (
            _quiet(),
            patch("edaphon.journal.journal.QUIET_S", 0.0),  # each row is waited for
            patch("edaphon.service.alerting.receiver_of", lambda *_: self.receiver),
        ):
            self.service = StillService(
                document, config, Overrides(clock=self.clock, make_threads=StillThreads)
            )
            self.receiver.service = self.service
            yield from self._started()

    def _started(self) -> Iterator[StillService]:
        self.service.start()
        self.service.derive()
        facts, wrong = read_facts(read_document("facts.toml", self._facts()))
        assert not wrong, wrong
        self.service.apply(list(facts), "zoo")
        try:
            yield self.service
        finally:
            for follower in self.service.sources.followers.values():
                follower.close()
            self.service.stop()

    def _row(self, row: int) -> None:
        if row in self.zoo.rows:
            own = {row: self.zoo.rows[row]}
            self.clock.now_ns = self.time_ns(row) + WRITTEN_S * SECOND
            self._write(own)
            self._send_messages(own)
        self.clock.now_ns = self.time_ns(row) + (WRITTEN_S + 2) * SECOND
        self._take_in()
        calm = CALM_LOOKS[1:] if self.zoo.fault else CALM_LOOKS
        for n in range(1, LOOKS):
            if n in calm or self._fine(row):
                self.clock.now_ns = self.time_ns(row) + n * self.site.interval_ns // LOOKS
                self._look()

    def _fine(self, row: int) -> bool:
        """Whether the minute counts: nothing is due here, or something begins or ends."""
        fault, now_ns = self.zoo.fault, self.clock.now_ns
        turns = (fault.first, fault.end) if fault else ()
        return (
            row not in self.zoo.base
            or any(0 <= row - turn < FINE_ROWS for turn in turns)
            or any(one.due_ns > now_ns for one in self.service.alerts.book.open)
        )

    def _look(self) -> None:
        if self.clock.now_ns - self.tested_ns >= QUALITY_EVERY_S * SECOND:
            self.tested_ns = self.clock.now_ns
            with patch("edaphon.service.look.REST", 0.0):
                self.service.doubtful.run()
        self.service.alerts.look()
        for sender in self.service.alerts.senders.values():
            sender.send_due(threading.Event())
        self.looks += 1

    def _take_in(self) -> None:
        for follower in self.service.sources.followers.values():
            follower.look(threading.Event())
        while not all_committed(self.service.journal):
            assert not self.service.journal.is_failing, self.service.journal.fault
        self.service.derive()

    # -- what its instruments say ------------------------------------------------------------

    def _write(self, rows: Rows) -> None:
        if not self.own:
            return
        fresh = not self.file.exists()
        with self.file.open("a") as file:
            if fresh:
                file.write(",".join(["time", *self.own]) + "\n")
            for row, own in rows.items():
                ahead_s = self.zoo.ahead_s.get(row, 0)
                time = datetime.fromtimestamp(self.time_ns(row) // SECOND + ahead_s, UTC)
                cells = [own.get(column, "") for column in self.own]
                file.write(",".join([f"{time:%Y-%m-%d %H:%M:%S}", *cells]) + "\n")
        os.utime(self.file, ns=(self.clock.now_ns, self.clock.now_ns))

    def _send_messages(self, rows: Rows) -> None:
        """A device whose probes all give nothing is not received at all."""
        entries = []
        for row, own in rows.items():
            for probe in sorted(self.site.messages):
                outputs = self.site.outputs(probe)
                cells = {c: float(own[c]) for c in outputs if own.get(c)}
                if cells:
                    ahead_ms = self.zoo.ahead_s.get(row, 0) * 1000
                    table = {"t": self.time_ns(row) // 10**6 + ahead_ms, **cells}
                    payload = pack_message(f"soil/{probe}", orjson.dumps(table), 1, False, False)
                    entries.append(self.service.keeper.entry(Kind.RECORD, BROKER, payload))
        if entries:
            self.service.journal.append(entries)

    # -- what a person wrote of it -------------------------------------------------------------

    def _configuration(self) -> str:
        expect = f'expect = "{self.site.interval_s} s"\n'
        text = (
            f'[logger]\nid = "zoo"\n[site]\nid = "{self.site.name}"\n'
            f'[storage]\nfolder = "{self.folder / "storage"}"\n[clock]\ntrust = "system"\n'
            '[[notify]]\nname = "technician"\nkind = "webhook"\nurl = "https://example.org"\n'
            'classes = ["lost", "will be lost", "doubtful", "late"]\n'
        )
        if self.own:
            outputs = ", ".join(self._output(column) for column in self.own)
            columns = ", ".join(f'{{ name = "{c}", output = "{c}" }}' for c in self.own)
            text += (
                f'[model."zoo.csv"]\ntitle = "the logger"\nengine = "file"\n'
                f'output = [{outputs}]\n[model."zoo.csv".frame]\nform = "table"\n'
                f'separator = "comma"\ncolumn = [{columns}]\n'
                'time = { columns = ["time"], formats = ["%Y-%m-%d %H:%M:%S"] }\n'
                f'[[source]]\nname = "{SOURCE}"\nfile = "{self.file.parent}/*.csv"\n'
                f'model = "zoo.csv"\nsettings = {{ utc_offset = "+00:00" }}\n{expect}'
            )
        if self.site.messages:
            text += f'[broker.{BROKER}]\nhost = "h"\ntopics = ["#"]\nenvelope = "json"\n'
        for probe in sorted(self.site.messages):
            text += f'[[source]]\nbroker = "{BROKER}"\ntopic = "soil/{probe}"\n{expect}'
            text += 'time = { path = "t", format = "epoch_ms" }\n'
            for column in self.site.outputs(probe):
                text += f'[[source.field]]\npath = "{column}"\n'
                text += "".join(f"{k} = {v}\n" for k, v in self._keys(column).items())
        return text

    def _keys(self, column: str) -> Mapping[str, str]:
        own = self.site.columns[column]
        codes = ", ".join(map(repr, self.site.failure_codes(column)))
        keys = {"name": column, "quantity": own["quantity"], "unit": own["unit"]}
        return {k: f'"{v}"' for k, v in keys.items()} | {"failure": f"[{codes}]"}

    def _output(self, column: str) -> str:
        resolution = {"resolution": str(self.site.columns[column].get("resolution", 0.0))}
        keys = {**self._keys(column), **resolution}
        return "{ " + ", ".join(f"{k} = {v}" for k, v in keys.items()) + " }"

    def _facts(self) -> str:
        text = f'[[plot]]\nid = "{PLOT}"\n[[profile]]\nid = "pit"\nplot = "{PLOT}"\n'
        if soil := self.site.soil:
            text += '[[horizon]]\nid = "soil"\nprofile = "pit"\ntop_cm = 0\nbottom_cm = 100\n'
            text += "".join(f"{k} = {str(v).lower()}\n" for k, v in soil.items())
        for probe, own in self.site.probes.items():
            if self._is_instrument(probe):
                text += f'[[sensor]]\nid = "{probe}"\nmodel = "zoo.csv"\n'
                if own.get("on") not in (None, "logger", "radio"):
                    text += f'on = "{own["on"]}"\n'
            text += "".join(self._channel(probe, column) for column in self.site.outputs(probe))
        return text + "".join(self._declared(n) for n in range(len(self.zoo.pauses)))

    def _declared(self, n: int) -> str:
        """A visit or a pause; one whose rows go on more slowly says how slowly."""
        first, end, what = self.zoo.pauses[n]
        if "irrig" in what:
            return self._irrigation(n)
        kind = "visit" if "visit" in what else "pause"
        text = f'[[{kind}]]\nid = "{kind}-{n}"\nplot = "{PLOT}"\nwho = "a person"\n'
        text += f"from = {self._time(first)}\nto = {self._time(end)}\n"
        slower_s = self._slower_s(first, end)
        return text + (f'interval = "{slower_s} s"\n' if kind == "pause" and slower_s else "")

    def _irrigation(self, n: int) -> str:
        first, end, _ = self.zoo.pauses[n]
        channels = [c for c in self.columns if "water" in self.site.columns[c]["quantity"]]
        return (
            f'[[mark]]\nid = "irrigation-{n}"\ncause = "irrigation"\nflag = 3\nwho = "a person"\n'
            f"channels = {channels}\nfrom = {self._time(first)}\nto = {self._time(end)}\n"
        )

    def _time(self, row: int) -> str:
        return f"{datetime.fromtimestamp(self.time_ns(row) // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def _slower_s(self, first: int, end: int) -> int:
        rows = [row for row in range(first, end) if row in self.zoo.base]
        steps = [b - a for a, b in itertools.pairwise(rows)]
        return max(steps, default=0) * self.site.interval_s

    def _channel(self, probe: str, column: str) -> str:
        own, topic = self.site.columns[column], self._topic(column)
        text = f'[[channel]]\nid = "{column}"\nplot = "{PLOT}"\nquantity = "{own["quantity"]}"\n'
        text += f'unit = "{own["unit"]}"\n'
        if "depth_cm" in own:
            text += f'depth_cm = {own["depth_cm"]}\nprofile = "pit"\n'
        same = [
            c
            for c in self.columns
            if all(self.site.columns[c].get(k) == own.get(k) for k in ("quantity", "depth_cm"))
        ]
        if len(same) > 1:
            text += f"replicate = {same.index(column) + 1}\n"
        path = f"{BROKER}/{topic}" if topic else f"file/{SOURCE}"
        text += f'[[deployment]]\nid = "d-{column}"\nchannel = "{column}"\nsource = "{path}"\n'
        text += f'output = "{column}"\n'
        return text + f'sensor = "{probe}"\n' if self._is_instrument(probe) else text

    def _is_instrument(self, probe: str) -> bool:
        """Whether facts name it; a home-made node is its topic."""
        return probe not in self.site.messages and not self.site.is_own(probe)
