"""What the newest rows, the frame counters and the running service say to the rules."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest
from tests.daemon.commands.calling import until
from tests.programs import Influx1, Mosquitto
from tests.stories.station import Station

from edaphon.alerts.due import is_weekly_due, last_weekly
from edaphon.alerts.heartbeat import Beat, Retained, Url
from edaphon.alerts.look import Situation
from edaphon.alerts.model import Message, Occasion
from edaphon.clock import DAY_NS
from edaphon.config import Broker
from edaphon.derive.state import PipelineState, Uplink
from edaphon.journal import Entry, Kind
from edaphon.model import Observations
from edaphon.network.requests import Unreachable
from edaphon.series import Series
from edaphon.service.alerting import HealthRows, health_lines
from edaphon.service.channel_values import ChannelValues
from edaphon.service.look import Uplinks, only_gateway
from edaphon.service.process import running
from edaphon.service.service import Service
from edaphon.service.sources import Overrides
from edaphon.sinks.sink import sink_kind
from edaphon_drivers.readings import pack_message

MINUTE = 60 * 10**9
NOON = 20_000 * DAY_NS + DAY_NS // 2
NAN = float("nan")


@pytest.fixture
def series(tmp_path: Path) -> Iterator[Series]:
    own = Series(tmp_path / "series.sqlite")
    yield own
    own.close()


def rows(series: Series, start_ns: int, *raw: float, channel: str = "a", flag: int = 1) -> None:
    n = len(raw)
    time_ns = start_ns + np.arange(n, dtype=np.int64) * MINUTE
    number = np.array(raw)
    none = np.full(n, NAN)
    flags = np.full(n, flag, np.int8)
    run = Observations(
        channel, "d", time_ns, time_ns, number, number, none, none, flags, flags * 0, time_ns
    )
    series.merge([run], {"d": "{}"})


def test_the_last_number_and_the_failures_behind_it_are_known_from_what_is_new(
    series: Series,
) -> None:
    values = ChannelValues(series)
    rows(series, NOON, 1.0, 2.0)
    values.follow(["a"], {}, NOON + 5 * MINUTE)
    assert values.channels["a"].last_number_ns == NOON + MINUTE
    rows(series, NOON + 2 * MINUTE, NAN, NAN, 3.0, NAN)
    values.follow(["a"], {}, NOON + 6 * MINUTE)
    own = values.channels["a"]
    assert own.last_number_ns == NOON + 4 * MINUTE
    assert sorted(own.failed) == [NOON + m * MINUTE for m in (2, 3, 5)]
    assert own.failed[NOON + 5 * MINUTE] == NOON + 5 * MINUTE  # the sequence of its record
    values.follow(["a"], {}, NOON + DAY_NS + 4 * MINUTE)
    assert sorted(own.failed) == [NOON + 5 * MINUTE]


def test_a_channel_is_expected_as_often_as_it_gives_numbers(series: Series) -> None:
    """Cells between them are empty, and some numbers fail; one number alone shows no rhythm."""
    values = ChannelValues(series)
    rows(series, NOON, 1.0, NAN, NAN)
    values.follow(["a"], {}, NOON + 3 * MINUTE)
    assert values.channels["a"].rhythm_ns == 0
    rows(series, NOON + 3 * MINUTE, 1.0, NAN, NAN, NAN, NAN, NAN, 1.0)
    values.follow(["a"], {}, NOON + 10 * MINUTE)
    assert values.channels["a"].rhythm_ns == 3 * MINUTE
    again = ChannelValues(series)
    again.follow(["a"], {}, NOON + 10 * MINUTE)
    assert again.channels["a"].rhythm_ns == 3 * MINUTE
    rows(series, NOON + 10 * MINUTE, 1.0)
    values.follow(["a"], {}, NOON + 11 * MINUTE)
    assert values.channels["a"].rhythm_ns == MINUTE


def test_a_pass_reads_no_day_again(series: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    values = ChannelValues(series)
    rows(series, NOON, 1.0)
    values.follow(["a"], {}, NOON)
    monkeypatch.setattr(series, "read", None)
    rows(series, NOON + MINUTE, 2.0)
    values.follow(["a"], {}, NOON + MINUTE)
    assert values.channels["a"].last_number_ns == NOON + MINUTE


def test_after_deriving_again_all_is_known_as_it_is_then(series: Series, tmp_path: Path) -> None:
    values = ChannelValues(series)
    rows(series, NOON, 1.0, NAN)
    values.follow(["a"], {}, NOON + MINUTE)
    assert len(values.channels["a"].failed) == 1
    with_number = Series(tmp_path / "other.sqlite")
    rows(with_number, NOON, 1.0, 2.0)
    series.adopt("a", with_number, [(-(2**62), 2**62)])
    with_number.close()
    values.follow(["a"], {}, NOON + MINUTE)
    assert not values.channels["a"].failed
    assert values.channels["a"].last_number_ns == NOON + MINUTE


def test_the_last_number_is_looked_for_further_back_than_a_day(series: Series) -> None:
    rows(series, NOON - 5 * DAY_NS, 1.0)
    for day in range(4, -1, -1):
        rows(series, NOON - day * DAY_NS, NAN)
    values = ChannelValues(series)
    values.follow(["a"], {}, NOON)
    assert values.channels["a"].last_number_ns == NOON - 5 * DAY_NS
    assert len(values.channels["a"].failed) == 2  # of a day ago until now


def test_a_supply_has_minima_of_days_and_its_last_voltage_in_volts(series: Series) -> None:
    rows(series, NOON - 2 * DAY_NS, 12600.0, 12100.0, 12400.0)
    rows(series, NOON - DAY_NS, 12000.0, 12300.0)
    rows(series, NOON, 0.0, flag=4)  # out of its range: no voltage
    values = ChannelValues(series)
    values.follow(["a"], {"a": "mV"}, NOON)
    rows(series, NOON + MINUTE, 11900.0, 11950.0)
    values.follow(["a"], {"a": "mV"}, NOON + 2 * MINUTE)
    own = values.supplies["a"]
    assert own.minima_v == pytest.approx((12.1, 12.0, 11.9))
    assert own.last_v == pytest.approx(11.95)
    assert own.last_ns == NOON + 2 * MINUTE
    assert own.highest_v == pytest.approx(12.6)


def uplink(n: int, session: str = "s") -> Uplink:
    return Uplink(session, n, 2)


def test_uplinks_of_the_last_day_are_counted_also_over_a_restart() -> None:
    state, now = PipelineState(), NOON
    state.uplinks["ttn/1"] = [uplink(n) for n in range(5)]
    own = Uplinks()
    own.look(state, now)
    assert own.of("ttn/1") == (0, 0)  # nobody knows when those came
    state.uplinks["ttn/1"] += [uplink(5), uplink(8)]
    state.uplinks_missed["ttn/1"] = 2
    own.look(state, now + MINUTE)
    assert own.of("ttn/1") == (2, 2)
    again = Uplinks()
    again.restore(own.save())
    state.uplinks["ttn/1"] += [uplink(9)]
    again.look(state, now + 2 * MINUTE)
    assert again.of("ttn/1") == (3, 2)
    again.look(state, now + DAY_NS + 60 * MINUTE)
    assert again.of("ttn/1") == (0, 0)
    assert again.of("ttn/other") == (0, 0)


@pytest.mark.parametrize(("gateways", "only"), [(1, "eui-0"), (2, ""), (0, "")])
def test_a_device_hangs_on_a_gateway_if_it_is_the_only_one(gateways: int, only: str) -> None:
    received = ",".join(f'{{"gateway_ids":{{"gateway_id":"eui-{n}"}}}}' for n in range(gateways))
    data = (
        '{"end_device_ids":{"dev_eui":"A84041B2C1D5E6F7"},"uplink_message":{"f_port":2,'
        f'"f_cnt":1,"frm_payload":"AAAA","session_key_id":"x","rx_metadata":[{received}]}}}}'
    )
    payload = pack_message("v3/a/devices/b/up", data.encode(), 0, False, False)
    assert only_gateway("tts-v3", Entry(Kind.RECORD, 0, 0, "b", "ttn", payload)) == only
    noise = pack_message("v3/a/devices/b/up", b"noise", 0, False, False)
    assert only_gateway("tts-v3", Entry(Kind.RECORD, 0, 0, "b", "ttn", noise)) == ""


def test_the_weekly_report_is_due_at_the_site_s_own_time() -> None:
    from datetime import UTC, datetime
    from datetime import time as clock

    monday = datetime(2026, 11, 30, 6, 0, tzinfo=UTC)  # 7:00 at UTC+1
    ns = int(monday.timestamp()) * 10**9
    seven = clock(7)
    assert last_weekly(ns, "mon", seven, 3600) == ns
    assert last_weekly(ns - 1, "mon", seven, 3600) == ns - 7 * DAY_NS
    assert last_weekly(ns + 6 * DAY_NS, "mon", seven, 3600) == ns
    assert last_weekly(ns, "sun", seven, 3600) == ns - DAY_NS


def test_rows_of_health_are_line_protocol_with_floats_and_without_unknown_ages() -> None:
    beat = Beat(17, "box 1", "whs", {"a/b": 2.5, "never": None}, 3, 1)
    assert health_lines(beat).decode().splitlines() == [
        "edaphon_health,logger=box\\ 1,site=whs open_incidents=3.0,undelivered=1.0,"
        "newest_age_s=2.5,oldest_age_s=2.5 17",
        "edaphon_health,logger=box\\ 1,site=whs,source=a/b age_s=2.5 17",
    ]
    assert b"age" not in health_lines(replace(beat, ages_s={}))


def test_rows_of_health_come_to_a_real_database(tmp_path: Path) -> None:
    with Influx1(tmp_path / "influx") as influx:
        influx_query(influx, "CREATE DATABASE plots")
        kind = sink_kind("influxdb")
        table = {"url": influx.url, "version": 1, "database": "plots"}
        rows = HealthRows(kind.open_sink(kind.settings.model_validate(table), {}))
        now_ns = time.time_ns()
        rows.beat(Beat(now_ns, "box", "whs", {"line/a": 2.5}, 3, 1))
        rows.close()
        rule = (
            'SELECT count("open_incidents") FROM "edaphon_health" WHERE time > now() - 3h'
            ' GROUP BY "logger"'
        )
        assert influx_query(influx, rule) == [({"logger": "box"}, 1)]
        ages = 'SELECT last("age_s") FROM "edaphon_health" GROUP BY "source"'
        assert influx_query(influx, ages) == [({"source": "line/a"}, 2.5)]


def test_signs_of_life_do_not_pile_up_while_the_broker_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edaphon.alerts.heartbeat.WITHIN_S", 0.2)
    with Mosquitto(tmp_path / "mosquitto") as mosquitto:
        broker = Broker(host="127.0.0.1", port=mosquitto.port, topics=("x",))
        alive = Retained(broker, "plots/box/alive", "edaphon-box-alive")
        sign = Beat(1, "box", "whs", {}, 0, 0)
        until(lambda: beats(alive, sign))
        mosquitto.kill()
        until(lambda: not beats(alive, sign))
        for n in range(5):
            with pytest.raises(TimeoutError):
                alive.beat(replace(sign, time_ns=n))
        assert not alive._client._out_messages
        alive.close()


def beats(alive: Retained, sign: Beat) -> bool:
    try:
        alive.beat(sign)
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("answers", [True, False])
def test_the_address_of_a_heartbeat_stays_secret_whatever_comes(answers: bool) -> None:
    with FakeServer(status=404) as server:
        url = server.url if answers else "http://127.0.0.1:9"
        with pytest.raises(Unreachable) as error:
            Url(f"{url}/ping/5f2c-secret?x=hidden").beat(Beat(1, "box", "whs", {}, 0, 0))
    assert "secret" not in str(error.value)
    assert "hidden" not in str(error.value)
    assert "127.0.0.1" in str(error.value)


class FakeServer:
    """It refuses everything, and repeats the address."""

    def __init__(self, status: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                self.rfile.read(int(self.headers["Content-Length"]))
                body = f"no {self.path}".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_the_weekly_report_counts_what_came_in_and_goes_out_once(tmp_path: Path) -> None:
    notify = '[[notify]]\nname = "mail"\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\n'
    station = Station(tmp_path, [NODE, notify + 'body = "{text}"\n'], [FACTS])
    messages: list[Message] = []
    with running(station.file, Overrides(look_every_s=10**6)) as service:
        until(lambda: service.alerts.passes == 1)
        sender = service.alerts.senders["mail"]
        sender.send = messages.append  # type: ignore[method-assign]
        for _ in range(3):
            say(service, '{"t": 11.5, "v": 3.6}')
        looked(service)
        service.alerts.kept.since_ns = service.keeper.now_ns() - 8 * DAY_NS
        for _ in range(2):
            sender.wake()
            until(lambda: messages)
            time.sleep(0.3)
    (report,) = messages
    assert report.occasion is Occasion.WELL
    assert "1 instrument and 2 channels give data" in report.text
    assert "3 records kept, 0 measurements missed" in report.text


def influx_query(influx: Influx1, text: str) -> list[tuple[dict[str, str], float]]:
    """(tags, number) of each series of the answer."""
    query = urlencode({"db": "plots", "q": text})
    asked = Request(f"{influx.url}/query?{query}", method="POST")  # noqa: S310
    with urlopen(asked, timeout=10) as answer:  # noqa: S310
        (result,) = json.loads(answer.read())["results"]
    return [(one["tags"], one["values"][0][1]) for one in result.get("series", [])]


NODE = (
    '[broker.local]\nhost = "127.0.0.1"\nport = 9\ntopics = ["plot/#"]\n'
    '[[source]]\nbroker = "local"\ntopic = "plot/n"\nexpect = "10min"\n'
    '[[source.field]]\nname = "t"\npath = "t"\nquantity = "soil_temperature"\nunit = "degC"\n'
    "failure = [-127]\n"
    '[[source.field]]\nname = "v"\npath = "v"\nquantity = "battery_voltage"\nunit = "V"\n'
)
FACTS = (
    '[[channel]]\nid = "t"\nquantity = "soil_temperature"\nunit = "degC"\n'
    '[[deployment]]\nid = "dt"\nchannel = "t"\nsource = "local/plot/n"\noutput = "t"\n'
    '[[channel]]\nid = "v"\nquantity = "battery_voltage"\nunit = "V"\n'
    '[[deployment]]\nid = "dv"\nchannel = "v"\nsource = "local/plot/n"\noutput = "v"\n'
)
LINE = (
    '[bus.line]\nkind = "sdi12"\nport = "/dev/serial/by-id/not-there"\n'
    '[[source]]\nbus = "line"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "10min"\n'
)


def say(service: Service, text: str) -> None:
    payload = pack_message("plot/n", text.encode(), 0, False, False)
    place = service.keep([service.keeper.entry(Kind.RECORD, "local", payload)])
    until(lambda: service.deriver.position >= place)


def looked(service: Service) -> Situation:
    service.alerts.look()
    found = service.alerts.situation
    assert found is not None
    return found


def test_a_running_service_is_pictured_with_ports_numbers_codes_and_voltages(
    tmp_path: Path,
) -> None:
    station = Station(tmp_path, [NODE, LINE], [FACTS])
    with running(station.file, Overrides(look_every_s=10**6)) as service:
        until(lambda: service.alerts.passes == 1)
        until(lambda: service.sources.buses["line"].lost)
        until(lambda: "broker local" in service.problem)
        say(service, '{"t": 11.5, "v": 3.6}')
        say(service, '{"t": -127, "v": 3.5}')
        now = looked(service)
        assert "not-there" in now.down["bus line"][1]
        assert "broker local" in now.down
        temperature, voltage = now.channels
        assert temperature.code == "failure"
        assert len(temperature.failed_ns) == 1
        assert temperature.last_number_ns is not None
        assert temperature.last_number_ns < temperature.failed_ns[0]
        assert voltage.failed_ns == ()
        (supply,) = now.supplies
        assert (supply.node, supply.last_v, supply.least_v) == ("supply v", 3.5, 2.5)
        node, probe = now.sources
        assert node.last_ns is not None
        assert node.age_ns < MINUTE
        assert (node.interval_ns, probe.last_ns) == (10 * MINUTE, None)
        assert now.clock_known
        assert not now.failing
        since = now.down["bus line"][0]
        assert looked(service).down["bus line"][0] == since


def test_a_row_without_a_value_is_no_failure_of_its_instrument(tmp_path: Path) -> None:
    """A chamber that closes each half hour leaves its cells empty in between."""
    station = Station(tmp_path, [NODE], [FACTS])
    with running(station.file, Overrides(look_every_s=10**6)) as service:
        until(lambda: service.alerts.passes == 1)
        for text in ("null", "-127", '""', "-127", "null"):
            say(service, f'{{"t": {text}, "v": 3.6}}')
        temperature = looked(service).channels[0]
        assert len(temperature.failed_ns) == 2
        assert temperature.code == "failure"


def test_deriving_all_again_opens_nothing(tmp_path: Path) -> None:
    station = Station(tmp_path, [NODE], [FACTS])
    with running(station.file, Overrides(look_every_s=10**6)) as service:
        until(lambda: service.alerts.passes == 1)
        for n in range(30):
            say(service, f'{{"t": {-127 if n < 20 else 11.5}, "v": 3.6}}')
        looked(service)
        before = service.alerts.book
        service.deriver.derive_all_again()
        while service.deriver.reworking:
            looked(service)
            time.sleep(0.05)
        looked(service)
        assert service.alerts.book == before


class Panic(BaseException):
    """As a library of another language raises it: no Exception."""


@pytest.mark.parametrize("kind", [ZeroDivisionError, Panic])
def test_a_part_that_fails_is_named_until_it_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    monkeypatch.setattr("edaphon.service.jobs.RECOVERED_S", 2.0)
    station = Station(tmp_path, [NODE], [FACTS])
    tries: list[int] = []

    def life() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise kind("its own fault")

    with running(station.file, Overrides(look_every_s=10**6)) as service:
        service.threads.run("some part", life)
        until(lambda: len(tries) == 1)
        until(lambda: "some part" in service.threads.failing())
        assert "its own fault" in service.threads.failing()["some part"]
        until(lambda: len(tries) == 2)
        until(lambda: not service.threads.failing())
        assert "some part" not in service.problem


def test_a_report_that_was_sent_under_a_false_future_ends_none_of_the_next() -> None:
    due_ns = 1_790_000_000 * 10**9
    now_ns = due_ns + 60 * 10**9
    assert is_weekly_due(now_ns, due_ns, (due_ns - 7 * DAY_NS, 0))
    assert not is_weekly_due(now_ns, due_ns, (due_ns + 1, 0))
    assert is_weekly_due(now_ns, due_ns, (now_ns + 90 * DAY_NS, now_ns + 90 * DAY_NS))
