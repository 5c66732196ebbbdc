"""Second inputs: from the same record, from another channel, over any split and correction."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.derive.lives import T0, Life, MemoryJournal, folders, reported

from edaphon.facts import fact_of, to_payload
from edaphon.journal import Entry, Kind
from edaphon_drivers.readings import pack_message

EXAMPLES = int(os.environ.get("EDAPHON_EXAMPLES", "60"))
MINUTE_NS = 60_000_000_000
NODES = ("ec", "temp")
CONFIGURATION = (
    '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "/nowhere"\n'
    '[broker.local]\nhost = "h"\ntopics = ["#"]\n'
    + "".join(
        f'[[source]]\nbroker = "local"\ntopic = "{node}"\n'
        'time = { path = "at", format = "epoch_ms" }\n'
        '[[source.field]]\nname = "ec"\npath = "ec"\n'
        'quantity = "bulk_electrical_conductivity"\nunit = "uS/cm"\n'
        '[[source.field]]\nname = "t"\npath = "t"\n'
        'quantity = "soil_temperature"\nunit = "degC"\n'
        for node in NODES
    )
)
CURVE = "conductivity_at_25"


class EnteredFacts:
    """Entries in the making; a message says the minute at which it was measured."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.minute = 0.0
        table = {"file": "edaphon.toml", "sha256": "", "text": CONFIGURATION}
        self.add(Kind.CONFIGURATION, "", orjson.dumps(table))
        self.know_clock()
        for id, quantity, unit, source, output in (
            ("ec25", "bulk_electrical_conductivity_25c", "uS/cm", "local/ec", "ec"),
            ("warm", "soil_temperature", "K", "local/temp", "t"),
        ):
            self.learn("channel", id=id, quantity=quantity, unit=unit, checks=WIDE)
            self.learn("deployment", id=f"d{id}", channel=id, source=source, output=output)

    def know_clock(self) -> None:
        self.add(Kind.CLOCK, "", orjson.dumps({"offset_ns": T0, "error_ns": 1, "how": "ntp"}))

    def add(self, kind: Kind, source: str, payload: bytes) -> None:
        mono = int(self.minute * MINUTE_NS) + len(self.entries)
        self.entries.append(Entry(kind, T0 + mono, mono, "boot", source, payload))

    def learn(self, kind: str, **table: Any) -> None:
        fact = fact_of({"kind": kind, **table})
        entry = {"calibration": Kind.CALIBRATION}.get(kind, Kind.FACT)
        self.add(entry, "", to_payload(fact, "", "", "facts.toml", "me"))

    def calibrate(self, id: str, second: dict[str, str], **more: Any) -> None:
        table = {"channel": "ec25", "curve": CURVE, "second": second, "parameters": {}, **more}
        self.learn("calibration", id=id, **table)

    def hear(self, node: str, minute: float, **numbers: float) -> None:
        self.minute = max(self.minute, minute)
        message = {**numbers, "at": int((T0 + minute * MINUTE_NS) // 10**6)}
        payload = pack_message(node, orjson.dumps(message), 1, False, False)
        self.add(Kind.RECORD, "local", payload)


WIDE = {"range": {"fail_lowest": -1e9, "fail_highest": 1e9}}
BESIDE = {"channel": "warm", "max_age": "30min"}


def ec25(ec: float, celsius: float, slope: float = 0.02) -> float:
    return ec / (1 + slope * (celsius - 25))


def values(folder: Path, entries: list[Entry], limit: int = 4000) -> list[float]:
    journal = MemoryJournal(entries)
    journal.shown = len(entries)
    life = Life(folder, journal)
    life.settle(limit)
    runs = life.series.read("ec25", 0, 2**62)
    rows = sorted((t, v) for run in runs for t, v in zip(run.time_ns, run.value, strict=True))
    life.close()
    return [float(v) for _, v in rows]


def test_an_output_of_the_same_record_is_taken_as_it_was_reported(tmp_path):
    plot = EnteredFacts()
    plot.calibrate("c1", {"output": "t"})
    plot.hear("ec", 1, ec=100.0, t=35.0)
    plot.hear("ec", 2, ec=100.0)
    found = values(tmp_path, plot.entries)
    assert found[0] == pytest.approx(ec25(100, 35))
    assert np.isnan(found[1])


@pytest.mark.parametrize("limit", [1, 2, 4000])
def test_the_latest_value_of_another_channel_is_taken_if_it_is_not_too_old(tmp_path, limit):
    plot = EnteredFacts()
    plot.calibrate("c1", BESIDE)
    plot.hear("ec", 1, ec=100.0)  # nothing known yet
    plot.hear("temp", 2, t=35.0)
    plot.hear("ec", 3, ec=100.0)
    plot.hear("temp", 4, t=15.0)
    plot.hear("ec", 30, ec=100.0)
    plot.hear("ec", 40, ec=100.0)  # the temperature is 36 minutes old
    found = values(tmp_path, plot.entries, limit)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(ec25(100, 35))
    assert found[2] == pytest.approx(ec25(100, 15))
    assert np.isnan(found[3])


def test_a_value_that_fails_its_own_range_is_not_taken(tmp_path):
    plot = EnteredFacts()
    narrow = {"range": {"fail_lowest": 250.0, "fail_highest": 320.0}}
    plot.learn("channel", id="warm", supersedes="warm", quantity="soil_temperature", unit="K",
               checks=narrow)  # fmt: skip
    plot.calibrate("c1", BESIDE)
    plot.hear("temp", 1, t=35.0)
    plot.hear("temp", 2, t=-127.0)
    plot.hear("ec", 3, ec=100.0)
    assert values(tmp_path, plot.entries) == [pytest.approx(ec25(100, 35))]


def test_what_is_corrected_beside_corrects_what_took_it(tmp_path):
    plot = EnteredFacts()
    plot.calibrate("c1", BESIDE)
    plot.hear("temp", 1, t=35.0)
    plot.hear("ec", 2, ec=100.0)
    plot.learn("calibration", id="offset", channel="warm", curve="polynomial",
               parameters={"c0": -10.0, "c1": 1.0}, from_unit="K", to_unit="K")  # fmt: skip
    plot.hear("ec", 3, ec=100.0)
    found = values(tmp_path, plot.entries, limit=1)
    assert found == [pytest.approx(ec25(100, 25))] * 2


def test_the_uncertainty_of_the_second_input_counts(tmp_path):
    plot = EnteredFacts()
    plot.learn("calibration", id="known", channel="warm", curve="polynomial",
               parameters={"c0": 0.0, "c1": 1.0}, covariance=[[0.25, 0.0], [0.0, 0.0]],
               from_unit="K", to_unit="K")  # fmt: skip
    plot.calibrate("c1", BESIDE)
    plot.hear("temp", 1, t=25.0)
    plot.hear("ec", 2, ec=100.0)
    journal = MemoryJournal(plot.entries)
    journal.shown = len(plot.entries)
    life = Life(tmp_path, journal)
    life.settle()
    (run,) = life.series.read("ec25", 0, 2**62)
    life.close()
    assert float(run.u_systematic[0]) == pytest.approx(100 * 0.02 * 0.5)


@st.composite
def streams(draw: st.DrawFn) -> list[Entry]:
    plot = EnteredFacts()
    kinds = draw(st.lists(st.sampled_from(("ec", "temp", "fact", "late", "boot")), max_size=14))
    for number, what in enumerate(kinds):
        minute = draw(st.integers(0, 90))
        if what == "fact":
            second = draw(st.sampled_from((BESIDE, {"output": "t"}, {**BESIDE, "max_age": "5min"})))
            plot.calibrate(f"c{number}", second, parameters={"alpha": draw(st.floats(0.01, 0.03))})
        elif what == "boot":
            plot.learn("calibration", id=f"w{number}", channel="warm", curve="polynomial",
                       parameters={"c0": draw(st.floats(-2, 2)), "c1": 1.0},
                       from_unit="K", to_unit="K")  # fmt: skip
        else:
            node = "temp" if what == "temp" else "ec"
            plot.hear(node, minute, ec=100.0 + number, t=float(minute % 40))
    return plot.entries


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None)
@given(entries=streams(), limits=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_any_split_and_any_order_of_facts_gives_what_one_batch_gives(entries, limits):
    with folders() as folder:
        journal = MemoryJournal(entries)
        journal.shown = len(entries)
        life = Life(folder, journal)
        turns = 0
        while life.turn(limits[turns % len(limits)]):
            turns += 1
        assert life.reported() == reported(folder / "whole", entries)
        life.close()
