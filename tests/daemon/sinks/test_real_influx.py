"""The sink and the read-back against a real InfluxDB 1.6.7, and VictoriaMetrics."""

import math
import random
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from typing import Literal

import numpy as np
import orjson
import pytest
from tests.daemon.sinks.samples import (
    CHANNELS,
    MINUTE_NS,
    SWC,
    T0,
    TEMPERATURE,
    ListFeed,
    MemoryAside,
    keys_of,
    run,
    withdrawal,
    write_sifted,
)
from tests.programs import Influx1, VictoriaMetrics, wait_until

from edaphon.clock import DAY_NS, SystemClock
from edaphon.model import Channel, Int, Observations
from edaphon.sinks.delivery import Delivery
from edaphon.sinks.feed import Batch, spans
from edaphon.sinks.influxdb import (
    InfluxSettings,
    InfluxSink,
    open_queries,
    open_readback,
    open_sink,
)
from edaphon.sinks.influxql import Influxql, Readback, Rows
from edaphon.sinks.lines import LineWriter, withdrawn_lines
from edaphon.sinks.sink import Later, Never, PointWithdrawal

DAY = date(2026, 1, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx1]:
    with Influx1(tmp_path_factory.mktemp("influx")) as program:
        yield program


@pytest.fixture
def settings(server: Influx1, request: pytest.FixtureRequest) -> InfluxSettings:
    """An empty database of the test's own."""
    made = InfluxSettings(url=server.url, version=1, database=f"d{abs(hash(request.node.name))}")
    open_queries(made).ask(f'CREATE DATABASE "{made.database}"')
    return made


@pytest.fixture
def sink(settings: InfluxSettings) -> Iterator[InfluxSink]:
    opened = open_sink(settings, CHANNELS)
    yield opened
    opened.close()


@pytest.fixture
def back(settings: InfluxSettings) -> Iterator[Readback]:
    opened = open_readback(settings)
    yield opened
    opened.close()


@pytest.fixture
def influxql(settings: InfluxSettings) -> Influxql:
    return open_queries(settings)


def total(back: Readback, channel: Channel, days: Sequence[date] = (DAY,)) -> int:
    return sum(back.counts(channel, days).values())


def all_rows(back: Readback, channel: Channel) -> Rows:
    [rows] = back.rows(channel, T0, T0 + 100 * DAY_NS)
    return rows


def times(*minutes: int) -> Int:
    return T0 + np.array(minutes, np.int64) * MINUTE_NS


def test_every_number_comes_back_exactly(sink: InfluxSink, back: Readback) -> None:
    values = np.array([0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -1e-7, 1e22, math.nan, 2.0])
    seen = run(n=8, value=values, raw=np.roll(values, 3), u_random=math.nan, flag=np.int8(3))
    sink.write([seen])
    rows = all_rows(back, SWC)
    assert rows.time_ns.tolist() == seen.time_ns.tolist()
    for column in ("value", "raw", "u_random", "u_systematic", "flag"):
        got, sent = getattr(rows, column), getattr(seen, column).astype(float)
        assert got.tobytes() == sent.tobytes(), column
    assert set(rows.derivation) == {seen.derivation}


def test_rows_come_in_pages_that_hold_each_point_once(
    sink: InfluxSink, back: Readback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edaphon.sinks.influxql.PAGE", 7)
    sink.write([run(n=50)])
    pages = list(back.rows(SWC, T0 + MINUTE_NS, T0 + 49 * MINUTE_NS))
    assert max(len(page.time_ns) for page in pages) == 7
    found = [t for page in pages for t in page.time_ns.tolist()]
    assert found == run(n=50).time_ns.tolist()[1:49]


def test_counts_are_by_utc_day_and_need_no_value(sink: InfluxSink, back: Readback) -> None:
    sink.write([run(n=10, start_ns=T0 + DAY_NS - 4 * MINUTE_NS, value=math.nan, raw=math.nan)])
    sink.write([run(TEMPERATURE, n=2)])
    days = [date(2025, 12, 31), DAY, date(2026, 1, 2), date(2028, 6, 1)]
    assert list(back.counts(SWC, days).values()) == [0, 4, 6, 0]
    assert back.counts(SWC, []) == {}


def test_points_before_1970_and_in_leap_years_fall_on_their_day(
    sink: InfluxSink, back: Readback
) -> None:
    sink.write([run(n=2, start_ns=-MINUTE_NS), run(n=1, start_ns=951_782_400 * 10**9)])
    days = [date(1969, 12, 31), date(1970, 1, 1), date(2000, 2, 29)]
    assert list(back.counts(SWC, days).values()) == [1, 1, 1]


def test_writing_again_after_a_kill_makes_no_second_point(
    server: Influx1, sink: InfluxSink, back: Readback
) -> None:
    batch = [run(n=500), run(TEMPERATURE, n=500)]
    sink.write(batch)
    server.kill()
    with pytest.raises(Later):
        sink.write(batch)
    server.start()
    for _ in range(3):
        sink.write(batch)
    assert (total(back, SWC), total(back, TEMPERATURE)) == (500, 500)


@pytest.mark.parametrize("bad", [1, 50])
def test_poison_among_five_thousand_is_found_by_a_real_server(
    sink: InfluxSink, back: Readback, influxql: Influxql, bad: int
) -> None:
    """Points older than a finite retention are what 1.6.7 refuses singly."""
    influxql.ask(f"ALTER RETENTION POLICY autogen ON {_database(influxql)} DURATION 520w")
    now_ns = SystemClock().wall_ns()
    good = run(n=5000, start_ns=now_ns - 10_000 * MINUTE_NS)
    places = random.Random(bad).sample(range(5000), bad)
    time_ns = good.time_ns.copy()
    time_ns[places] -= 40 * 365 * DAY_NS
    refused = write_sifted(sink, [run(n=5000, time_ns=time_ns)])
    assert sorted(point.time_ns for point in refused) == sorted(time_ns[places].tolist())
    assert all("beyond retention policy" in point.words for point in refused)
    stored = [
        t
        for page in back.rows(SWC, now_ns - 20_000 * MINUTE_NS, now_ns)
        for t in page.time_ns.tolist()
    ]
    assert stored == sorted(set(time_ns.tolist()) - {point.time_ns for point in refused})


def test_a_type_conflict_is_never_with_the_servers_words(
    sink: InfluxSink, settings: InfluxSettings
) -> None:
    line = f'{SWC.quantity} value="text" {T0}'.encode()
    query = urllib.parse.urlencode({"db": settings.database})
    urllib.request.urlopen(f"{settings.url}/write?{query}", line).close()  # noqa: S310  loopback
    with pytest.raises(Never, match="field type conflict"):
        sink.write([run()])


def test_an_unknown_database_blocks_and_says_so(settings: InfluxSettings) -> None:
    other = settings.model_copy(update={"database": "none"})
    with pytest.raises(Later, match="no such database") as caught:
        open_sink(other, CHANNELS).write([run()])
    assert caught.value.blocked
    with pytest.raises(Later, match="database not found"):
        open_readback(other).counts(SWC, [DAY])


@pytest.mark.parametrize("n", [3, 30], ids=["one by one", "in spans"])
def test_withdrawn_points_are_gone_and_their_neighbours_stay(
    sink: InfluxSink, back: Readback, n: int
) -> None:
    sink.write([run(n=100), run(TEMPERATURE, n=100)])
    gone = times(*range(40, 40 + n - 1), 70)
    left = [t for t in run(n=100).time_ns.tolist() if t not in set(gone.tolist())]
    found = np.append(gone, T0 + 41 * MINUTE_NS + 1)
    sink.withdraw(PointWithdrawal(SWC, found, spans(found, np.array(left, np.int64))))
    assert all_rows(back, SWC).time_ns.tolist() == left
    assert total(back, TEMPERATURE) == 100


def test_withdrawing_what_is_not_there_is_no_error(sink: InfluxSink, back: Readback) -> None:
    sink.withdraw(withdrawal(SWC, *times(1, 2).tolist()))
    sink.write([run(n=2)])
    sink.withdraw(withdrawal(TEMPERATURE, *times(*range(20)).tolist()))
    assert total(back, SWC) == 2


def test_withdrawn_then_rewritten_without_a_value_leaves_no_old_number(
    sink: InfluxSink, settings: InfluxSettings, back: Readback, influxql: Influxql
) -> None:
    sink.write([run(n=5)])
    rewritten = run(n=5, value=math.nan, u_random=math.nan, derivation="fedcba9876543210")
    feed = ListFeed([Batch([rewritten], [withdrawal(SWC, *run(n=5).time_ns.tolist())], None)])
    worker = Delivery(
        "plots", lambda: open_sink(settings, CHANNELS), feed, MemoryAside(), SystemClock()
    )
    worker.start()
    wait_until(lambda: feed.done, "the rewrite")
    assert worker.stop()
    [counted] = influxql.ask("SELECT count(*) FROM volumetric_water_content")[0]
    counts = dict(zip(counted["columns"], counted["values"][0], strict=True))
    assert {name: n for name, n in counts.items() if n and name != "time"} == {
        "count_derivation": 5, "count_flag": 5, "count_raw": 5, "count_u_systematic": 5,
    }  # fmt: skip
    rows = all_rows(back, SWC)
    assert np.isnan(rows.value).all()
    assert np.isnan(rows.u_random).all()
    assert rows.raw.tolist() == rewritten.raw.tolist()


def test_names_that_need_escapes_are_written_read_and_withdrawn(
    settings: InfluxSettings, influxql: Influxql
) -> None:
    odd = Channel("it's, a=b c\\d", 'odd "name", x', "1", "größe,s=1 \\2", depth_cm="-2.5")
    sink, back = open_sink(settings, {odd.id: odd}), Readback(influxql)
    sink.write([run(odd, n=4, derivation='quo"te\\back')])
    assert total(back, odd) == 4
    assert set(all_rows(back, odd).derivation) == {'quo"te\\back'}
    sink.withdraw(withdrawal(odd, *times(1).tolist()))
    assert total(back, odd) == 3


def test_a_point_laid_over_as_withdrawn_does_not_count(
    sink: InfluxSink, settings: InfluxSettings, back: Readback
) -> None:
    """What version 3 gets is written here to a server that can be asked."""
    sink.write([run(n=3)])
    writer = LineWriter(CHANNELS)
    flagging = InfluxSink(sink._wire, sink._post, partial(withdrawn_lines, writer), writer, 100)
    flagging.withdraw(withdrawal(SWC, *times(0, 2).tolist()))
    assert total(back, SWC) == 1
    sink.write([run(n=1)])
    assert total(back, SWC) == 2


def test_a_batch_gets_through_a_server_with_a_small_request_limit(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Influx1(tmp_path_factory.mktemp("small"), {"http": "max-body-size = 20000"}) as program:
        made = InfluxSettings(url=program.url, version=1, database="d")
        open_queries(made).ask("CREATE DATABASE d")
        sink = open_sink(made, CHANNELS)
        sink.write([run(n=1000)])
        assert total(open_readback(made), SWC) == 1000


@pytest.mark.parametrize("version", [2, 3])
def test_victoria_metrics_takes_what_the_client_library_sends(
    tmp_path_factory: pytest.TempPathFactory, version: Literal[2, 3]
) -> None:
    with VictoriaMetrics(tmp_path_factory.mktemp("vm")) as program:
        made = InfluxSettings(url=program.url, version=version, bucket="b", org="o", database="b")
        sink = open_sink(made, CHANNELS)
        seen: list[Observations] = [run(n=200), run(TEMPERATURE, n=100)]
        sink.write(seen)
        sink.close()
        urllib.request.urlopen(f"{program.url}/internal/force_flush").close()  # noqa: S310
        wait_until(lambda: _exported(program, "flag") == len(keys_of(seen)), "the points")


def _exported(program: VictoriaMetrics, field: str) -> int:
    query = urllib.parse.urlencode({"match[]": f'{{__name__=~".*_{field}"}}'})
    with urllib.request.urlopen(f"{program.url}/api/v1/export?{query}") as answer:  # noqa: S310
        return sum(len(orjson.loads(line)["values"]) for line in answer)


def _database(influxql: Influxql) -> str:
    return f'"{influxql._named["db"]}"'


@pytest.mark.parametrize(
    ("wanted", "kept", "found"),
    [
        ([1, 2, 3], [9], [(1, 3)]),
        ([1, 3], [2], [(1, 1), (3, 3)]),
        ([3, 1, 1], [], [(1, 3)]),
        ([1, 5, 6], [1, 2, 3, 7], [(1, 1), (5, 6)]),
        ([], [1], []),
    ],
)
def test_spans_cover_all_that_is_withdrawn_and_nothing_that_stands(
    wanted: list[int], kept: list[int], found: list[tuple[int, int]]
) -> None:
    assert spans(np.array(wanted, np.int64), np.array(kept, np.int64)) == found
