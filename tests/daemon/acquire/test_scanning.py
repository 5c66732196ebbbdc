"""A look at an address between the measurements of its line: it waits, and spoils nothing."""

import threading
from functools import partial
from pathlib import Path

from edaphon.acquire.bus import BusOwner, Finished
from edaphon.acquire.clock_sync import Timekeeper
from edaphon.acquire.line_talks import (
    ANSWERS,
    hold,
    look_sdi12,
    question,
    sdi12_presence,
    when_free,
)
from edaphon.acquire.line_tools import LineTools, own_line
from edaphon.clock import SystemClock
from edaphon.config import read_config
from edaphon.facts import Knowledge
from edaphon.journal import Journal, read_only
from edaphon.toml_input import read_document
from edaphon_drivers.links.serial import SerialLink
from edaphon_drivers.sdi12 import measure
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Timing

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
        talk = measure("a", load_sheet("meter.teros12"), True, False, QUICK)
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


def test_a_probe_of_the_configuration_is_asked_once_and_another_by_its_address(tmp_path: Path):
    probes = [Probe(a, f"13METER   TER12 411T12-{a}", [1807.82, 21.0, 1]) for a in "ab"]
    line = SimulatedBus(probes, second_s=0.01)
    text = (
        f'[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{tmp_path}"\n'
        f'[bus.sdi12]\nkind = "sdi12"\nport = "{line.start()}"\nanswer_s = 0.3\n'
        '[[source]]\nbus = "sdi12"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "1h"\n'
    )
    config, errors = read_config(read_document("edaphon.toml", text))
    assert config is not None, errors
    clock = SystemClock()
    journal = Journal.open(tmp_path / "journal", clock)
    own = own_line(config, "sdi12")
    tools = LineTools(
        config, journal, Timekeeper(clock, "boot"), lambda _: own, lambda: Knowledge()
    )
    try:
        found = tools.answer("probe", {"bus": "sdi12", "addresses": ["a", "b", "c"]})["rows"]
        tools.answer("say", {"bus": "sdi12", "data": b"c!".hex()})
    finally:
        own.bus.stop()
        line.stop()
        journal.close()
    seen = [(row["path"], row["state"], (row["identity"] or {}).get("serial")) for row in found]
    assert seen == [
        ("sdi12/a", "answers", "T12-a"),
        ("sdi12/b", "answers", "T12-b"),
        ("sdi12/c", "silent", None),
    ]
    kept = [entry.source for _, entry in read_only(tmp_path / "journal").scan()]
    assert kept == ["sdi12/a", "sdi12/b", "sdi12/term"]  # silence only where a person asked
    assert [probe.asked for probe in probes] == [[a, *3 * [f"{a}I"]] for a in "ab"]
