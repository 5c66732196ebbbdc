"""What trust rests on is shown: pairs, checks, pinned curves, and why there is no value."""

import hashlib
from math import sqrt
from typing import Any

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_explain import NOON, entry, probe
from tests.stories.station import Station, teros12_facts

from edaphon.clock import SystemClock
from edaphon.journal import Journal, Kind
from edaphon.service.check import open_storage
from edaphon.storage.access import settled_deriver
from edaphon_drivers.readings import pack_message

NAMES = ("soil_temperature", "early", "drift", "lost", "raw")
TABLES = [
    '[bus.sdi12]\nkind = "sdi12"\nport = "/dev/none"\n'
    '[[source]]\nbus = "sdi12"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "10min"\n'
    '[broker.home]\nhost = "127.0.0.1"\nport = 9\ntopics = ["#"]\n'
    '[[source]]\nbroker = "home"\ntopic = "n"\n'
    + "".join(
        f'[[source.field]]\nname = "{name}"\npath = "{name}"\n'
        'quantity = "soil_temperature"\nunit = "degC"\n'
        for name in NAMES
    )
]
CERTIFICATE = b"a bath of ice"
SHA256 = hashlib.sha256(CERTIFICATE).hexdigest()
SENSOR = 'sensor = "S1"\noutput = "soil_temperature"\n'
POINTS = "raw_zero = 0.25, raw_span = 30.5, raw_zero_2 = 0.75, raw_span_2 = 31.5, span_gas = 30.0"


def hour(minute: int) -> str:
    return f"2026-04-01T{12 + minute // 60}:{minute % 60:02d}:00Z"


def channel(name: str, sensor: str = "") -> str:
    return (
        f'[[channel]]\nid = "{name}"\nquantity = "soil_temperature"\nunit = "degC"\n'
        f'plot = "p"\ndepth_cm = {10 + len(name)}{NAMES.index(name) if name in NAMES else 0}\n'
        f'[[deployment]]\nid = "d-{name}"\nchannel = "{name}"\nsource = "home/n"\n'
        f'output = "{name if name in NAMES else "soil_temperature"}"\n{sensor}'
    )


def row(kind: str, id: str, begin: int | None, end: int | None, *lines: str) -> str:
    times = {"from": begin, "to": end}
    reported = [f"{key} = {hour(minute)}" for key, minute in times.items() if minute is not None]
    return "\n".join((f'[[{kind}]]\nid = "{id}"', *reported, *lines)) + "\n"


def line(of: str, c0: float, *lines: str) -> tuple[str, ...]:
    subject = SENSOR.strip() if of == "S1" else f'channel = "{of}"'
    return subject, 'curve = "linear"', f"parameters = {{ c0 = {c0}, c1 = 1.0 }}", *lines


CHECK = ("reference_value = 20.0", "u_reference = 0.1", 'operator = "M. Moser"')
FACTS = [
    '[[sensor]]\nid = "S1"\nmodel = "meter.teros12"\n' + teros12_facts("sdi12/a", "p"),
    channel("pair", 'sensor = "S1"\n'),
    *(channel(name) for name in NAMES[1:]),
    row("calibration", "s-2025", None, 0, *line("S1", 1.0, 'certificate = "PTB-1"',
        "covariance = [[0.04, 0.0], [0.0, 0.0]]", "domain = [5.0, 19.0]")),
    row("calibration", "s-2026", 0, 60, *line("S1", 3.0, 'certificate = "PTB-2"',
        'drifts_from = "s-2025"', f'evidence = {{ "bath.txt" = "{SHA256}" }}')),
    row("check", "k-sensor", 0, None, SENSOR.strip(), 'state = "as left"', 'unit = "K"',
        "reading = 20.125", *CHECK),
    row("check", "k-count", 0, None, SENSOR.strip(), 'state = "as left"', 'unit = "count"',
        "reading = 40.0", *CHECK),
    row("check", "k-channel", None, 50, 'channel = "pair"', 'state = "as found"',
        "reading = 21.5", *CHECK, f'evidence = {{ "bath.txt" = "{SHA256}" }}'),
    row("calibration", "e-1", 10, 20, *line("early", 1.0)),
    row("calibration", "e-2", 30, 40, *line("early", 2.0)),
    row("calibration", "drifting", 0, 50, 'channel = "drift"', 'curve = "zero_span_drift"',
        f"parameters = {{ {POINTS} }}"),
    row("calibration", "l-1", None, 0, *line("lost", 1.0)),
    row("calibration", "l-2", 0, 60, *line("lost", 2.0, 'drifts_from = "l-1"')),
    row("calibration", "r-1", None, None, *line("raw", 1.0, "domain = [0.0, 19.5]")),
]  # fmt: skip
LATER = '[[revocation]]\nof = "l-1"\nwhy = "the bath was at -1 degC"\n'


def node(minute: int) -> Any:
    payload = pack_message("n", orjson.dumps(dict.fromkeys(NAMES, 20.0)), 1, False, False)
    return entry(Kind.RECORD, minute, "home", payload)


@pytest.fixture(scope="module")
def plot(tmp_path_factory) -> Station:
    station = Station(tmp_path_factory.mktemp("trust"), TABLES, FACTS)
    (station.inbox / "bath.txt").write_bytes(CERTIFICATE)
    text = station.file.read_text()
    configuration = orjson.dumps({"file": "edaphon.toml", "sha256": "", "text": text})
    with Journal(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(entry(Kind.CONFIGURATION, -6, "", configuration))
    call(station, "apply", "--who", "K. Berg")
    (station.inbox / "later.toml").write_text(LATER)
    call(station, "apply", "--who", "M. Moser")
    with Journal(station.storage / "journal", SystemClock()) as journal:
        clock = orjson.dumps({"offset_ns": entry(Kind.RECORD, 0, "", b"").received_ns - 2 * 10**9})
        journal.append_now(entry(Kind.CLOCK, -5, "", clock))
        journal.append_now(probe(0, 2550.5, 15.0))
        for minute in (5, 15, 25, 35, 45):
            journal.append_now(node(minute))
    with settled_deriver(open_storage(station.file)):
        pass
    return station


def reported(plot: Station, name: str, minute: int) -> tuple[Any, str]:
    """JSON and text; the message came two seconds after the minute."""
    time = hour(minute).replace(":00Z", ":02Z")
    way = call_json(plot, "explain", name, time)
    assert way["agrees"]
    return way, call(plot, "explain", name, time)[0]


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_a_pair_is_shown_with_both_calibrations_and_how_far_along_the_value_lies(plot):
    way, text = reported(plot, "pair", 45)
    (step,) = way["steps"]
    share = (45 * 60 + 2) / 3600
    earlier = step["drifts_from"]
    assert step["progress"] == {"share": share, "from": hour(0), "to": hour(60)}
    assert (earlier["id"], earlier["certificate"], earlier["value_alone"]) == (
        "s-2025", "PTB-1", 21.0,
    )  # fmt: skip
    assert (step["id"], step["certificate"], step["value_alone"]) == ("s-2026", "PTB-2", 23.0)
    assert step["value"] == way["value"] == pytest.approx(21 + 2 * share)
    assert step["u_systematic"] == pytest.approx((1 - share) * 0.2)
    assert earlier["covariance"] == [[0.04, 0.0], [0.0, 0.0]]
    assert earlier["entered"]["who"] == step["entered"]["who"] == "K. Berg"
    assert "drifts from s-2025: curve linear" in text
    assert f"0.750556 of the time from {hour(0)} to {hour(60)} has passed" in text
    assert "s-2025 alone gives 21 degC" in text
    assert "certificate PTB-1" in text
    assert "certificate PTB-2" in text


def test_the_files_that_a_calibration_rests_on_are_shown_with_their_hashes(plot):
    way, text = reported(plot, "pair", 45)
    assert way["steps"][0]["evidence"] == {"bath.txt": SHA256}
    assert way["steps"][0]["drifts_from"]["evidence"] == {}
    assert text.count(f"evidence bath.txt, sha256 {SHA256}") == 2, "of the calibration and a check"


def test_a_domain_of_a_calibration_is_shown_where_the_value_lies_outside(plot):
    way, text = reported(plot, "pair", 45)
    why = "20 degC is outside the domain of calibration s-2025, 5 to 19"
    assert (way["flag"], [r["why"] for r in way["reasons"]]) == (3, [why])
    assert way["steps"][0]["outside"]
    assert "holds from 5 to 19 degC" in text
    assert why in text
    way, text = reported(plot, "raw", 5)
    assert "outside the domain of calibration r-1, 0 to 19.5" in text
    assert (way["steps"][0]["domain"], way["steps"][0]["own_domain"]) == ([0.0, 19.5], True)


def test_each_check_in_the_field_is_shown_with_what_it_made_of_the_uncertainty(plot):
    way, text = reported(plot, "pair", 45)
    of_sensor, of_channel, of_counts = way["field_checks"]
    assert (of_counts["id"], of_counts["result"]) == ("k-count", "left out")
    assert "left out: count is not degC" in text
    stated = way["steps"][0]["u_systematic"]
    assert (of_sensor["id"], of_sensor["result"], of_sensor["check_unit"]) == (
        "k-sensor", "confirmed", "K",
    )  # fmt: skip
    assert of_sensor["deviation"] == pytest.approx(0.125)
    assert of_sensor["limit"] == pytest.approx(2 * sqrt(stated**2 + 0.01))
    assert of_sensor["u_systematic"] == of_sensor["u_systematic_before"] == stated
    assert (of_channel["id"], of_channel["result"]) == ("k-channel", "widened")
    assert (
        of_channel["u_systematic"] == way["u_systematic"] == pytest.approx(sqrt(stated**2 + 1.5**2))
    )
    assert (of_channel["reading"], of_channel["reference_value"]) == (21.5, 20.0)
    assert (of_channel["operator"], of_channel["entered"]["who"]) == ("M. Moser", "K. Berg")
    assert (of_channel["visit"], of_channel["to"], of_channel["from"]) == (hour(50), hour(50), None)
    assert f"field check   k-channel of channel pair, as found at {hour(50)}" in text
    assert "read 21.5 degC, reference 20 degC (u 0.1)" in text
    assert "deviation 1.5 degC, beyond 0.2235 degC" in text
    assert "it widens u_systematic from 0.0498" in text
    assert "within 0.2235 degC, 2 u of both: it confirms u_systematic 0.0498" in text


def test_a_curve_of_the_calendar_is_shown_with_its_share(plot):
    way, text = reported(plot, "drift", 25)
    (step,) = way["steps"]
    share = (25 * 60 + 2) / 3000
    assert step["progress"] == {"share": share, "from": hour(0), "to": hour(50)}
    zero, span = 0.25 + 0.5 * share, 30.5 + share
    assert step["value"] == pytest.approx((20 - zero) / (span - zero) * 30)
    assert step["drifts_from"] is None
    assert f"0.500667 of the time from {hour(0)} to {hour(50)} has passed" in text
    assert way["field_checks"] == []


@pytest.mark.parametrize(
    ("minute", "why"),
    [
        (5, f"the first begins {hour(10)} (e-1)"),
        (25, f"the one before ended {hour(20)} (e-1); the next begins {hour(30)} (e-2)"),
        (45, f"the last ended {hour(40)} (e-2)"),
    ],
)
def test_where_no_calibration_covers_the_time_it_says_which_step_and_when_one_does(
    plot, minute, why
):
    way, text = reported(plot, "early", minute)
    assert (way["value"], way["flag"], way["steps"]) == (None, 9, [])
    whole = f"no calibration of step 1 of channel early covers this time; {why}"
    assert way["no_chain"] == way["reasons"][0]["why"] == whole
    assert f"conversion none: {whole}" in in_one_line(text)
    covered, text = reported(plot, "early", 15)
    assert (covered["value"], covered["no_chain"]) == (21.0, "")
    assert "no calibration" not in text


def test_a_pair_whose_earlier_one_was_taken_back_says_by_whom_and_why(plot):
    way, text = reported(plot, "lost", 5)
    assert way["value"] is None
    assert "calibration l-2 drifts from l-1, which is not in force" in way["no_chain"]
    assert "l-1 was taken back by M. Moser (account" in way["no_chain"]
    assert "the bath was at -1 degC" in in_one_line(text)


def test_a_pinned_curve_is_shown_with_the_fact_that_keeps_it(plot):
    way = call_json(plot, "explain", "p-vwc", NOON)
    (step,) = way["steps"]
    assert (step["step_of"], step["id"], step["curve"]) == ("factory", "mineral", "teros12_mineral")
    pin = step["pinned"]
    assert pin["id"] == "factory:meter.teros12:water_content_counts:mineral"
    assert (pin["entered"]["who"], pin["sheet_is_the_same"]) == ("K. Berg", True)
    text, _ = call(plot, "explain", "p-vwc", NOON)
    assert f"as it was when it was first used, kept in {pin['id']}" in text
    assert "the sheet of meter.teros12 says the same now" in text


def test_a_pinned_curve_that_was_put_right_is_shown_with_what_the_sheet_says(plot):
    """Last of all: the facts of the other tests stay as they are, but one."""
    right = (
        '[[factory]]\nid = "right"\nsupersedes = "factory:meter.teros12:water_content_counts:'
        'mineral"\nmodel = "meter.teros12"\noutput = "water_content_counts"\nname = "mineral"\n'
        'curve = "teros12_mineral"\nparameters = { c0 = -0.7, c1 = 3.9e-4 }\n'
        'quantity = "volumetric_water_content"\nunit = "m3/m3"\n'
    )
    (plot.inbox / "right.toml").write_text(right)
    call(plot, "apply", "--who", "M. Moser")
    with settled_deriver(open_storage(plot.file)):
        pass
    way = call_json(plot, "explain", "p-vwc", NOON)
    (step,) = way["steps"]
    assert way["agrees"]
    assert way["value"] == step["value"] == pytest.approx(3.9e-4 * 2550.5 - 0.7)
    assert (step["pinned"]["id"], step["pinned"]["sheet_is_the_same"]) == ("right", False)
    assert step["pinned"]["entered"]["who"] == "M. Moser"
    text, _ = call(plot, "explain", "p-vwc", NOON)
    assert "the sheet of meter.teros12 says otherwise now: curve teros12_mineral" in text
    assert "c0 = -0.6956, c1 = 0.0003879" in text
