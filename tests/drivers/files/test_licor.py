"""LI-8100 observations and LI-8200 repetitions: rows, fluxes over their observation, failures."""

import json
from datetime import datetime

import pytest
from tests.drivers.files.following import Follower, follow
from tests.readers import decode_piece
from tests.simulated_files import SimulatedRespirometer

from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.cutting import Rest, cut_json
from edaphon_drivers.files.engine import cut
from edaphon_drivers.files.sheet import completed
from edaphon_drivers.message_values import rfc3339_ns
from edaphon_drivers.readings import Origin, Piece, Status
from edaphon_drivers.sheets import load_sheet

LI8100 = completed(load_sheet("licor.li-8100a"), {"utc_offset": "-05:00"})
LI8200 = load_sheet("licor.li-8200-01s")
NOON = datetime(2026, 3, 7, 12)  # noqa: DTZ001 local text


@pytest.fixture
def meter(tmp_path):
    return SimulatedRespirometer(tmp_path / "flux.81x", NOON)


def of(readings, output):
    return [r.number for r in readings if r.output == output]


def test_each_second_of_an_observation_and_its_fluxes_are_read(meter):
    meter.observe(3, [400, 401, 402, 403, 404], 0.96)
    readings = follow(meter.path.read_bytes(), LI8100).readings
    assert of(readings, "co2") == [400, 401, 402, 403, 404]
    flux = next(r for r in readings if r.output == "soil_co2_efflux_exponential")
    assert (flux.number, flux.unit, flux.origin) == (0.96, "umol/(m**2*s)", Origin.CONVERTED)
    assert flux.time_ns == rfc3339_ns("2026-03-07T17:00:04Z")
    assert flux.start_ns == rfc3339_ns("2026-03-07T17:00:02Z")
    assert readings[0].start_ns is None


def test_an_observation_that_breaks_off_keeps_its_rows_and_has_no_flux(meter):
    meter.observe(1, [400, 401, 402], None)
    meter.observe(2, [410, 411, 412, 413], 1.5)
    readings = follow(meter.path.read_bytes(), LI8100).readings
    assert of(readings, "co2") == [400, 401, 402, 410, 411, 412, 413]
    assert of(readings, "soil_co2_efflux_exponential") == [1.5]


@pytest.mark.parametrize("size", [1, 11, 50, 200])
def test_long_observations_flow_and_all_pieces_can_be_read_alone(meter, size):
    for port in (1, 2, 3):
        meter.observe(port, [400 + n for n in range(12)], 0.5 * port)
    data = meter.path.read_bytes()
    grown = follow(data, LI8100, *range(size, len(data), size))
    assert len(grown.pieces) > 3
    assert grown.readings == follow(data, LI8100).readings
    assert of(grown.readings, "soil_co2_efflux_linear") == [0.4, 0.8, 1.2]
    assert b"".join(piece.data for piece in grown.pieces) == data


def test_pieces_may_keep_their_header_beside_their_rows_or_in_front_of_them(meter):
    for port in (1, 2):
        meter.observe(port, [400 + n for n in range(12)], 0.5 * port)
    follower = follow(meter.path.read_bytes(), LI8100, 500, 900)
    for piece in follower.pieces:
        bare = piece._replace(data=piece.data.removeprefix(piece.header))
        assert decode_piece(bare, LI8100) == decode_piece(piece, LI8100)


def test_rows_are_journalled_before_their_observation_ends(meter):
    meter.observe(1, [400 + n for n in range(9)], 0.5)
    data = meter.path.read_bytes()
    follower = Follower(LI8100).see(data[: data.index(b"CrvFit")])
    assert len(of(follower.readings, "co2")) == 9
    follower.see(data, ended=True)
    assert of(follower.readings, "soil_co2_efflux_linear") == [0.4]


def test_a_port_of_a_multiplexer_is_chosen_in_the_header(meter):
    for port in (1, 2, 1):
        meter.observe(port, [400 + port, 410, 420, 430], 0.5)
    when = {"column": "Port#", "is": ["1"]}
    columns = [{"name": "CO2", "output": "co2", "when": when}]
    sheet = completed(LI8100, {"column": columns})
    readings = follow(meter.path.read_bytes(), sheet).readings
    assert of(readings, "co2") == [401, 410, 420, 430] * 2


def test_a_footer_without_its_summary_has_no_time_and_gives_nothing(meter):
    meter.observe(1, [400, 410, 420, 430], 0.5)
    lines = meter.path.read_bytes().splitlines(keepends=True)
    header = b"".join(lines[:6])
    footer = Piece("f", 99, header, b"Exp_Flux:\t0.5\nLin_Flux:\t0.4\n")
    assert decode_piece(footer, LI8100) == ()


def test_messages_between_rows_are_no_rows(meter):
    meter.observe(1, [400, 410, 420, 430], 0.5)
    data = meter.path.read_bytes().replace(b"1\t1\t", b"Chamber close not detected\n1\t1\t", 1)
    assert of(follow(data, LI8100).readings, "co2") == [400, 410, 420, 430]


HEADER = {
    "Date": "2026-06-13 08:15:03",
    "TimeZone": "America/New_York",
    "gps_time": 1781352901,
    "TotalVolume": 6835.06,
}


def whole(header=HEADER, data=None, fluxes=None):
    rows = {"timestamp": [0, 1], "co2": [522.5, 520.4], "soil_t": [9999, 12.5], "err": [0, 0]}
    flux = [{"name": "co2", "F_o": 6.6457, "n": 54}]
    footer = {"fluxes": flux if fluxes is None else fluxes}
    repetition = {"header": header, "data": data or rows, "footer": footer}
    return json.dumps({"datasets": [{"47": {"reps": {"REP_1": repetition}}}]}).encode()


def read(data, sheet=LI8200):
    return decode_piece(Piece("chamber.json", 0, b"", data), sheet)


def test_a_repetition_is_dated_by_the_zone_that_it_names():
    readings = read(whole())
    assert of(readings, "co2") == [522.5, 520.4]
    assert readings[1].time_ns == rfc3339_ns("2026-06-13T12:15:04Z")
    flux = readings[-1]
    assert (flux.output, flux.number) == ("soil_co2_efflux", 6.6457)
    assert (flux.start_ns, flux.time_ns) == (readings[0].time_ns, readings[1].time_ns)


def test_an_offset_that_the_owner_states_comes_before_the_zone():
    for offset, utc in (("+00:00", "08:15:03"), ("-05:00", "13:15:03")):
        readings = read(whole(), completed(LI8200, {"utc_offset": offset}))
        assert readings[0].time_ns == rfc3339_ns(f"2026-06-13T{utc}Z")


@pytest.mark.parametrize(
    ("gps", "utc"),
    [
        (rfc3339_ns("2026-11-01T05:29:58Z"), "05:30:00"),
        (rfc3339_ns("2026-11-01T06:29:58Z"), "06:30:00"),
        (0, None),
    ],
)
def test_the_doubled_hour_of_autumn_is_settled_by_gps_or_not_at_all(gps, utc):
    header = {**HEADER, "Date": "2026-11-01 01:30:00", "gps_time": gps // 10**9}
    if utc is None:
        with pytest.raises(Garbled, match="zone"):
            read(whole(header))
        return
    assert read(whole(header))[0].time_ns == rfc3339_ns(f"2026-11-01T{utc}Z")


def test_an_unknown_zone_dates_nothing():
    for zone in ("Mars/Olympus", "../../etc/passwd", "", 7, None):
        with pytest.raises(Garbled, match="zone"):
            read(whole({**HEADER, "TimeZone": zone}))


def test_failures_of_an_li8200_give_no_numbers():
    readings = read(whole(fluxes=[{"name": "co2", "F_o": 0, "n": 0}]))
    assert [(r.number, r.status) for r in readings if r.output == "soil_temperature"] == [
        (None, Status.FAILURE),
        (12.5, Status.OK),
    ]
    assert (readings[-1].number, readings[-1].status) == (None, Status.FAILURE)
    rows = {"timestamp": [0, 1], "co2": [522.5, 520.4], "err": [4, 0]}
    assert [r.status.value for r in read(whole(data=rows)) if r.output == "co2"] == [
        "failure",
        "ok",
    ]


def test_one_collar_of_a_file_is_chosen_by_its_name():
    for label, count in (("47", 2), ("48", 0)):
        when = {"column": "dataset", "is": [label]}
        sheet = completed(LI8200, {"column": [{"name": "co2", "output": "co2", "when": when}]})
        assert len(of(read(whole(), sheet), "co2")) == count


def test_a_json_file_is_one_piece_once_it_is_whole():
    data = whole() + b"\n"
    for length in range(1, len(data) - 1, 7):
        assert cut(data[:length], LI8200, Rest.ENDED).whole == 0
    assert cut(data, LI8200, Rest.GROWING)[:2] == (0, len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{}",
        b"null",
        b'{"datasets": 3}',
        b'{"datasets": [{"47": {"reps": []}}]}',
        b"[" * 100_000,
        b'{"datasets": [{"47": {"reps": {"R": 1}}}]}',
    ],
)
def test_json_without_repetitions_is_garbled(data):
    with pytest.raises(Garbled):
        read(data)


@pytest.mark.parametrize("odd", [None, True, "x", [], {}, "NaN", 1e999])
def test_odd_values_in_an_li8200_file_give_no_number(odd):
    rows = {"timestamp": [0, odd, 2], "co2": [odd, 1, 2, 3], "err": odd}
    for reading in read(whole(data=rows, fluxes=[{"name": "co2", "F_o": odd}, odd])):
        assert (reading.number is None) == (reading.status is not Status.OK)
    with pytest.raises(Garbled):
        read(whole(header=odd))


def test_a_json_file_that_nobody_can_write_on_is_one_piece_though_it_is_torn():
    torn = whole()[:-9]
    for rest in (Rest.GROWING, Rest.RESTED, Rest.ENDED):
        assert cut_json(torn, rest).whole == 0
    assert cut_json(torn, Rest.GONE).whole == len(torn)
    assert cut_json(b"", Rest.GONE).whole == 0
