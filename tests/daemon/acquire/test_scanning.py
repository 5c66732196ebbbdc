"""A look at an address between the measurements of its line: it waits, and spoils nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edaphon.acquire.bus import BusOwner, Finished
from edaphon.acquire.line_tools import (
    ANSWERS,
    LineTools,
    hold,
    look_sdi12,
    own_line,
    question,
    sdi12_presence,
    when_free,
)
from edaphon.acquire.slots import Timekeeper
from edaphon.clock import SystemClock
from edaphon.config import read_config
from edaphon.facts import Knowledge
from edaphon.journal import Journal, Kind, read_only
from edaphon.toml_input.lines import read_document
from edaphon_drivers.links.serial import SerialLink
from edaphon_drivers.sdi12.engine import measure
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.modbus import SimulatedLine, Unit
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


@contextmanager
def tools_of(folder: Path, tables: str, bus: str) -> Iterator[LineTools]:
    head = f'[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{folder}"\n'
    config, errors = read_config(read_document("edaphon.toml", head + tables))
    assert config is not None, errors
    clock = SystemClock()
    own = own_line(config, bus)
    try:
        with Journal(folder / "journal", clock) as journal:
            keeper = Timekeeper(clock, "boot")
            yield LineTools(config, journal, keeper, lambda _: own, lambda: Knowledge())
    finally:
        own.bus.stop()


def test_a_probe_of_the_configuration_is_asked_once_and_another_by_its_address(tmp_path: Path):
    probes = [Probe(a, f"13METER   TER12 411T12-{a}", [1807.82, 21.0, 1]) for a in "ab"]
    line = SimulatedBus(probes, second_s=0.01)
    tables = (
        f'[bus.sdi12]\nkind = "sdi12"\nport = "{line.start()}"\nanswer_s = 0.3\n'
        '[[source]]\nbus = "sdi12"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "1h"\n'
    )
    with tools_of(tmp_path, tables, "sdi12") as tools:
        found = tools.answer("probe", {"bus": "sdi12", "addresses": ["a", "b", "c"]})["rows"]
        tools.answer("say", {"bus": "sdi12", "data": b"c!".hex()})
    line.stop()
    seen = [(row["path"], row["state"], (row["identity"] or {}).get("serial")) for row in found]
    assert seen == [
        ("sdi12/a", "answers", "T12-a"),
        ("sdi12/b", "answers", "T12-b"),
        ("sdi12/c", "silent", None),
    ]
    kept = [entry.source for _, entry in read_only(tmp_path / "journal").scan()]
    assert kept == ["sdi12/a", "sdi12/b", "sdi12/term"]  # silence only where a person asked
    assert [probe.asked for probe in probes] == [[a, *3 * [f"{a}I"]] for a in "ab"]


def test_a_unit_that_answers_anything_is_there_and_only_one_that_refuses_says_why(tmp_path: Path):
    smt100 = Unit(3, holding={0: 13100, 1: 2512, 2: 1500, 3: 9000})
    line = SimulatedLine([smt100, Unit(5), Unit(7, inputs={0: 1})])
    tables = f'[bus.m]\nkind = "serial"\nport = "{line.start()}"\nanswer_s = 0.2\n' + "".join(
        f'[[source]]\nbus = "m"\naddress = "{n}"\nmodel = "truebner.smt100"\ninterval = "1h"\n'
        for n in (3, 5, 9)
    )
    with tools_of(tmp_path, tables, "m") as tools:
        words = {"bus": "m", "addresses": ["3", "5", "7", "9", "10"]}
        found = tools.answer("probe", words)["rows"]
        good = tools.answer("measure", {"source": "m/3"})
        silent = tools.answer("measure", {"source": "m/9"})
    line.stop()
    seen = {row["path"]: (row["state"], bool(row["words"])) for row in found}
    assert seen == {
        "m/3": ("answers", False),
        "m/5": ("answers", True),
        "m/7": ("answers", False),
        "m/9": ("silent", False),
        "m/10": ("silent", False),
    }
    assert (good["cause"], good["fault"]) == ("", "")
    assert [number for _, number, _, _ in good["readings"]] == [31.0, 25.12, 15.0, 9000]
    assert silent["cause"] == "no answer"
    assert silent["readings"] == []
    kept = [(e.kind, e.source) for _, e in read_only(tmp_path / "journal").scan()]
    assert kept[-1] == (Kind.RECORD, "m/3")  # silence is no record
