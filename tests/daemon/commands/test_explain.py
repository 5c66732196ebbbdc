"""The way of one number: everything that made it, and the same number again, bit for bit."""

import shutil
from dataclasses import replace

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.daemon.commands.calling import call, call_json
from tests.daemon.derive import test_pipeline, test_second_inputs, test_trust_splits
from tests.daemon.derive.lives import Life, MemoryJournal, folders
from tests.stories.station import Station, teros12_facts

from edaphon.acquire.slots import Gap
from edaphon.clock import SystemClock
from edaphon.explain.build import record_of, shown_bytes
from edaphon.explain.trace import derived_again, history_of, row_at
from edaphon.journal import Entry, Journal, Kind
from edaphon.model import EntryId
from edaphon.series import Series
from edaphon.service.check import open_storage
from edaphon.service.process import running
from edaphon.storage.access import settled_deriver
from edaphon.toml_input.values import instant_ns
from edaphon_drivers.readings import Piece, Turn, pack_exchange, pack_message, pack_piece

NOON = "2026-04-01T12:00:00Z"
NOON_NS = instant_ns(NOON)
MINUTE_NS = 60_000_000_000
TABLES = [
    '[bus.sdi12]\nkind = "sdi12"\nport = "/dev/none"\n'
    '[[source]]\nbus = "sdi12"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "10min"\n'
    '[broker.home]\nhost = "127.0.0.1"\nport = 9\ntopics = ["#"]\n'
    '[[source]]\nbroker = "home"\ntopic = "ec"\n'
    '[[source.field]]\nname = "bulk_electrical_conductivity"\npath = "ec"\n'
    'quantity = "bulk_electrical_conductivity"\nunit = "uS/cm"\n'
]
FACTS = [
    '[[sensor]]\nid = "T12-1"\nmodel = "meter.teros12"\n',
    teros12_facts("sdi12/a", "p").replace(
        'output = "soil_temperature"', 'output = "soil_temperature"\nsensor = "T12-1"'
    ),
    '[[sensor]]\nid = "EC-7"\nmodel = "campbell.cs655"\n'
    '[[channel]]\nid = "ec25"\nplot = "p"\nquantity = "bulk_electrical_conductivity_25c"\n'
    'unit = "uS/cm"\nchecks = { range = { suspect = [0.0, 900.0], fail = [0.0, 5000.0] } }\n'
    '[[deployment]]\nid = "d-ec"\nchannel = "ec25"\nsource = "home/ec"\n'
    'output = "bulk_electrical_conductivity"\n'
    'sensor = "EC-7"\nfrom = "2026-03-01T00:00:00Z"\n'
    '[[calibration]]\nid = "cell"\nsensor = "EC-7"\n'
    'output = "bulk_electrical_conductivity"\ncurve = "linear"\n'
    "parameters = { c0 = 0.5, c1 = 1.02 }\ncovariance = [[0.04, 0.0], [0.0, 1e-4]]\n"
    'from_unit = "uS/cm"\nto_unit = "uS/cm"\noperator = "K. Berg"\ncertificate = "KB-12.pdf"\n'
    'expires = "2026-04-01T13:00:00Z"\n'
    '[[calibration]]\nid = "to-25"\nchannel = "ec25"\ncurve = "conductivity_at_25"\n'
    'second = { channel = "p-temp", max_age = "30min" }\n'
    '[[mark]]\nid = "dug"\nchannels = ["p-temp"]\ncause = "a badger"\nflag = 4\nwho = "K. Berg"\n'
    'from = "2026-04-01T12:25:00Z"\nto = "2026-04-01T12:35:00Z"\n',
]


def entry(kind: Kind, minute: float, source: str, payload: bytes, boot: str = "boot-1") -> Entry:
    passed = int(minute * MINUTE_NS)
    slot = NOON_NS + passed if kind == Kind.RECORD and source == "sdi12/a" else None
    return Entry(kind, NOON_NS + passed + 2 * 10**9, passed, boot, source, payload, slot)


def probe(minute: float, counts: float, celsius: float, boot: str = "boot-1") -> Entry:
    turns = [
        Turn(0, True, b"aM!"),
        Turn(40, False, b"a0013\r\n"),
        Turn(1100, True, b"aD0!"),
        Turn(1150, False, f"a+{counts}+{celsius}+12\r\n".encode()),
    ]
    return entry(Kind.RECORD, minute, "sdi12/a", pack_exchange(turns), boot)


def node(minute: float, **numbers: float) -> Entry:
    payload = pack_message("ec", orjson.dumps(numbers), 1, False, False)
    return entry(Kind.RECORD, minute, "home", payload)


def reported() -> list[Entry]:
    gap = Gap("no answer", NOON_NS + 40 * MINUTE_NS, NOON_NS + 50 * MINUTE_NS, 2, "closed", "a!")
    stated = [Turn(0, True, b"aI!"), Turn(40, False, b"a13METER   TER12 411T12-2\r\n")]
    identity = pack_exchange(stated)
    late = entry(Kind.CLOCK, -5, "", orjson.dumps({"offset_ns": NOON_NS}))
    return [
        late,
        probe(0, 2550.5, 15.0),
        node(1, ec=400.0),
        probe(10, 2551.5, 15.1),
        node(11, ec=1000.0),
        node(12, nonsense=1.0),
        probe(20, 2550.0, 15.2),
        probe(30, 2549.0, 15.3),
        entry(Kind.GAP, 55, "sdi12/a", gap.payload()),
        entry(Kind.IDENTITY, 56, "sdi12/a", identity),
        probe(60, 9000.0, 15.4),
        node(61, ec=400.0),
        node(95, ec=400.0),
        entry(Kind.RECORD, 70, "sdi12/a", pack_exchange([Turn(0, False, b"a+")])),
        probe(600, 2550.5, 15.0, "boot-2"),
    ]


@pytest.fixture(scope="module")
def plot(tmp_path_factory) -> Station:
    """An hour of a plot, journalled, derived, and the service off."""
    station = Station(tmp_path_factory.mktemp("plot"), TABLES, FACTS)
    text = station.file.read_text()
    configuration = orjson.dumps({"file": "edaphon.toml", "sha256": "", "text": text})
    with Journal(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(entry(Kind.CONFIGURATION, -6, "", configuration))
    call(station, "apply", "--who", "M. Moser")
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for each in reported():
            journal.append_now(each)
    with settled_deriver(open_storage(station.file)):
        pass
    return station


def minute(n: float) -> str:
    return f"2026-04-01T12:{n:02d}:00Z"


def test_a_factory_curve_is_distinguished_from_the_bytes_to_the_value(plot):
    way = call_json(plot, "explain", "p-vwc", NOON)
    assert way["agrees"]
    assert not way["nearest"]
    assert way["record"]["payload"][-1] == "  1150 ms < a+2550.5+15.0+12\\r\\n"
    assert way["record"]["slot"] == NOON
    assert way["reading"]["number"] == 2550.5
    assert way["reading"]["time_from"] == "the slot"
    assert way["deployment"]["entered"]["who"] == "M. Moser"
    assert len(way["deployment"]["entered"]["sha256"]) == 64
    (step,) = way["steps"]
    assert (step["step_of"], step["curve"]) == ("factory", "teros12_mineral")
    assert step["value"] == way["value"] == pytest.approx(3.879e-4 * 2550.5 - 0.6956)
    assert way["flag"] == 1
    text, _ = call(plot, "explain", "p-vwc", NOON)
    assert "water_content_counts = 2550.5 count" in text
    assert "the same, bit for bit" in text
    assert way["derivation"] in text


def test_sensor_and_channel_step_show_the_number_between_and_what_was_taken_as_second_input(plot):
    way = call_json(plot, "explain", "ec25", "2026-04-01T12:01:02Z")
    cell, warm = way["steps"]
    assert (cell["step_of"], cell["id"], cell["operator"]) == ("sensor", "cell", "K. Berg")
    assert cell["covariance"] == [[0.04, 0.0], [0.0, 1e-4]]
    assert cell["value"] == pytest.approx(1.02 * 400 + 0.5)
    assert cell["u_systematic"] == pytest.approx((1e-4 * 400**2 + 0.04) ** 0.5)
    second = warm["second"]
    assert (second["channel"], second["value"], second["age_s"]) == ("p-temp", 15.0, 62.0)
    assert second["u_systematic"] > 0
    assert way["value"] == warm["value"] == pytest.approx(408.5 / (1 - 0.02 * 10))
    assert way["agrees"]
    text, _ = call(plot, "explain", "ec25", "2026-04-01T12:01:02Z")
    assert "certificate KB-12.pdf; operator K. Berg" in text
    assert f"record {second['record']}, flag 1" in text
    assert "σ_25 = σ / (1 + α (T - 25))" in text


def test_a_flag_is_shown_with_the_limits_that_were_passed(plot):
    way = call_json(plot, "explain", "ec25", "2026-04-01T12:11:02Z")
    assert way["flag"] == 3
    assert [r["why"] for r in way["reasons"]] == ["check range failed (lowest = 0, highest = 900)"]
    results = {(c["check"], c["effect"]): c["result"] for c in way["checks"]}
    assert results["range", 3] == "failed: 3 suspect"
    assert results["range", 4] == "passed"
    dug = call_json(plot, "explain", "p-temp", minute(30))
    assert (dug["flag"], dug["agrees"]) == (4, True)
    assert "mark dug by K. Berg: a badger" in call(plot, "explain", "p-temp", minute(30))[0]


def test_another_serial_number_and_an_expired_calibration_are_shown_as_reasons(plot):
    swapped = call_json(plot, "explain", "p-temp", "2026-04-01T13:00:00Z")
    assert (swapped["flag"], swapped["agrees"]) == (3, True)
    assert "the instrument reports serial T12-2, deployed is T12-1" in str(swapped["reasons"])
    before = call_json(plot, "explain", "p-temp", NOON)
    assert before["reasons"] == []
    expired = call_json(plot, "explain", "ec25", "2026-04-01T13:01:02Z")
    assert (expired["flag"], expired["agrees"]) == (3, True)
    assert expired["reasons"][0]["why"] == "a calibration expired at 2026-04-01T13:00:00Z"


def test_a_check_that_looks_ahead_sees_the_readings_after(plot):
    way = call_json(plot, "explain", "p-temp", minute(10))
    spike = [c for c in way["checks"] if c["check"] == "spike"]
    assert [c["result"] for c in spike] == ["passed", "passed"]
    assert way["agrees"]


def test_a_value_that_is_missing_says_what_it_lacked(plot):
    way = call_json(plot, "explain", "ec25", "2026-04-01T13:35:02Z")
    assert (way["flag"], way["value"]) == (9, None)
    assert way["reasons"][0]["why"] == "a second input is not there, or too old"
    assert way["agrees"]


def test_the_nearest_observation_stands_for_a_time_between(plot):
    way = call_json(plot, "explain", "p-temp", "2026-04-01T12:07")
    assert (way["time"], way["nearest"]) == (minute(10), True)
    text, _ = call(plot, "explain", "p-temp", "2026-04-01T13:07:00+01:00")
    assert f"p-temp at {minute(10)} (nearest to 2026-04-01T12:07:00Z" in text


def test_a_slot_without_a_record_is_shown_by_its_gap(plot):
    _, why = call(plot, "explain", "p-temp", minute(41), codes=(1,))
    assert f"gap of sdi12/a: no answer, from {minute(40)} to {minute(50)}, 2 slots" in why
    assert f"the nearest before: {minute(30)}" in why
    found = call_json(plot, "explain", "p-temp", minute(50), codes=(1,))
    assert found["value"] is None
    assert "gap of sdi12/a" in found["why"][1]


def test_bytes_without_sense_a_clock_and_a_time_without_deployment_are_shown(plot):
    dead = call(plot, "explain", "p-temp", "2026-04-01T13:10:00Z", codes=(1,))[1]
    assert "of sdi12/a is a dead letter: expected" in dead
    held = call(plot, "explain", "p-temp", "2026-04-01T22:00:00Z", codes=(1,))[1]
    assert "waits: the clock of its boot is not known yet (received 2026-04-01T22:00:02Z" in held
    before = call(plot, "explain", "ec25", "2026-02-01T00:00:00Z", codes=(1,))[1]
    assert "no deployment fed the channel then" in before
    assert "d-ec: home/ec bulk_electrical_conductivity from 2026-03-01T00:00:00Z to now" in before
    empty = call(plot, "explain", "ec25", "2026-03-15T00:00:00Z", codes=(1,))[1]
    assert "no record of home/ec" in empty
    later = call(plot, "explain", "ec25", "2030-01-01T00:00:00Z", codes=(1,))[1]
    assert "the journal ends at 1." in later


def test_wrong_names_and_times_are_refused(plot):
    assert "did you mean p-temp" in call(plot, "explain", "p-tmp", NOON, codes=(1,))[1]
    assert "expected a time" in call(plot, "explain", "p-temp", "noon", codes=(2,))[1]


def test_a_series_that_was_changed_by_hand_is_found_out(plot, tmp_path):
    station = Station(tmp_path, TABLES, FACTS)
    shutil.copytree(plot.storage, station.storage)
    series = Series(station.storage / "series.sqlite")
    run = series.read("p-vwc", NOON_NS, NOON_NS + 1)[0]
    series.merge([replace(run, value=run.value + 1e-16)], {})
    series.flush()
    series.close()
    way = call_json(station, "explain", "p-vwc", NOON, codes=(1,))
    assert not way["agrees"]
    _, why = call(station, "explain", "p-vwc", NOON, codes=(1,))
    right = float(run.value[0])
    assert f"value: the series says {right + 1e-16!r}, deriving again gives {right!r}" in why
    assert "edaphon rebuild" in why


def test_bytes_are_shown_as_text_or_in_hexadecimal_and_cut():
    assert shown_bytes(b"a+1.5\r\n") == "a+1.5\\r\\n"
    assert shown_bytes(bytes([1, 3, 0xFF])) == "01 03 FF"
    assert shown_bytes(b"x" * 1000).endswith("x ... (1000 bytes in all)")


def test_a_piece_of_a_file_and_a_long_exchange_are_shown_for_what_they_are():
    piece = pack_piece(Piece("a.dat", 512, b"TIMESTAMP,T\r\n", b"2026-04-01,9.5\r\n"))
    shown = record_of(EntryId(1, 7), entry(Kind.RECORD, 0, "file/a", piece), "FileSource")
    assert shown.place == "1.7"
    assert shown.payload == (
        "file a.dat from byte 512 on",
        "header TIMESTAMP,T\\r\\n",
        "2026-04-01,9.5\\r\\n",
    )
    long = pack_exchange([Turn(n, False, b"\x00\x01") for n in range(100)])
    shown = record_of(EntryId(1, 8), entry(Kind.RECORD, 0, "x", long), "HeardSource")
    assert shown.payload[0] == "     0 ms < 00 01"
    assert shown.payload[-1] == "... (100 turns in all)"
    broken = record_of(EntryId(1, 9), entry(Kind.RECORD, 0, "x", b"\x09a"), "HeardSource")
    assert broken.payload == ("\\ta",)


def test_it_answers_while_the_service_runs(tmp_path):
    station = Station(tmp_path, TABLES, FACTS)
    with Journal(station.storage / "journal", SystemClock()) as journal:
        text = station.file.read_text()
        configuration = orjson.dumps({"file": "edaphon.toml", "sha256": "", "text": text})
        journal.append_now(entry(Kind.CONFIGURATION, -6, "", configuration))
    call(station, "apply")
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for each in reported()[:2]:
            journal.append_now(each)
    with running(station.file):
        way = call_json(station, "explain", "p-temp", NOON)
    assert (way["value"], way["agrees"]) == (15.0, True)


STREAMS = st.one_of(
    test_pipeline.streams(), test_second_inputs.streams(), test_trust_splits.streams()
)


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(entries=STREAMS, back=st.integers(0, 3))
def test_any_life_of_a_plot_is_derived_again_row_by_row_to_the_same_bits(entries, back):
    journal = MemoryJournal(entries)
    journal.shown = len(entries)
    with folders() as folder:
        life = Life(folder, journal)
        life.settle()
        history = history_of(journal)
        for channel in {head.channel for head in life.series.heads()}:
            for run in life.series.read(channel, -(2**62), 2**62):
                for row in (row_at(run, index) for index in range(len(run))):
                    again = derived_again(journal, history, channel, row, (back, None))
                    assert again is not None
                    assert again.row.same(row)
        life.close()
