"""The InfluxDB sink against a fake server of each version."""

import logging
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import ValidationError
from tests.daemon.sinks.samples import (
    CHANNELS,
    MINUTE_NS,
    SWC,
    T0,
    TEMPERATURE,
    keys_of,
    run,
    withdrawal,
    write_sifted,
)
from tests.fake_influx import FakeInflux, Play

from edaphon.sinks import influxdb
from edaphon.sinks.feed import spans
from edaphon.sinks.influxdb import InfluxSettings, InfluxSink, open_sink
from edaphon.sinks.sink import Later, Never, PointWithdrawal, SinkError

CANARY = "canary-5f1d2c"
Version = Literal[1, 2, 3]
VERSIONS: tuple[Version, ...] = (1, 2, 3)


@pytest.fixture
def token(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "token").write_text(CANARY)
    return {"file": str(tmp_path / "token")}


def settings(version: Version, url: str, **more: Any) -> InfluxSettings:
    named = {"bucket": "plots", "org": "lter"} if version == 2 else {"database": "plots"}
    return InfluxSettings.model_validate({"url": url, "version": version, **named, **more})


@pytest.fixture(params=VERSIONS, ids=lambda v: f"version {v}")
def fake(request: pytest.FixtureRequest) -> Iterator[FakeInflux]:
    with FakeInflux(request.param) as server:
        yield server


@pytest.fixture
def sink(fake: FakeInflux) -> Iterator[InfluxSink]:
    opened = open_sink(settings(fake.version, fake.url), CHANNELS)
    yield opened
    opened.close()


def test_a_batch_arrives_gzipped_with_every_number(fake: FakeInflux, sink: InfluxSink) -> None:
    seen = run(n=3)
    sink.write([seen, run(TEMPERATURE, n=2)])
    assert len(fake.points) == 5
    assert fake.writes[0].headers["content-encoding"] == "gzip"
    assert fake.writes[0].query["precision"] == "ns"
    tags = (("channel", SWC.id), ("depth_cm", "5"), ("plot", "N1"), ("site", "hw"))
    fields = fake.points[SWC.quantity, tags, T0 + MINUTE_NS]
    assert fields["value"] == seen.value[1]
    assert fields["raw"] == seen.raw[1]
    assert fields["derivation"] == "0123456789abcdef"


def test_a_retry_sends_identical_bytes_and_makes_no_second_point(
    fake: FakeInflux, sink: InfluxSink
) -> None:
    fake.script = [Play(cut=True, store=True), Play(503, store=True)]
    for _ in range(2):
        with pytest.raises(Later):
            sink.write([run(n=20)])
    sink.write([run(n=20)])
    assert len({request.body for request in fake.writes}) == 1
    assert len(fake.points) == 20


def test_a_connection_cut_before_the_server_stored_is_later(
    fake: FakeInflux, sink: InfluxSink
) -> None:
    fake.script = [Play(cut=True)]
    with pytest.raises(Later, match="broke"):
        sink.write([run()])
    assert not fake.points


@pytest.mark.parametrize("bad", [1, 50])
def test_poison_among_five_thousand_is_found_and_the_rest_is_stored(
    fake: FakeInflux, sink: InfluxSink, bad: int
) -> None:
    batch = [run(n=2500), run(TEMPERATURE, n=2500)]
    wrong = set(keys_of(batch)[37 :: 5000 // bad][:bad])
    fake.refuse = lambda p: "poison" if (p["tags"]["channel"], p["time"]) in wrong else ""
    refused = write_sifted(sink, batch)
    assert {(point.channel, point.time_ns) for point in refused} == wrong
    assert all("poison" in point.words for point in refused)
    assert len(fake.points) == 5000 - bad
    assert len(fake.writes) <= bad * (2 * np.log2(5000) + 2)


def test_a_request_too_large_is_halved_and_the_size_remembered(
    fake: FakeInflux, sink: InfluxSink
) -> None:
    fake.max_bytes = 40_000
    sink.write([run(n=1000)])
    assert len(fake.points) == 1000
    assert 100 < sink.points_per_request < 250
    before = len(fake.writes)
    sink.write([run(n=sink.points_per_request)])
    assert len(fake.writes) == before + 1


def test_one_point_too_large_is_refused_for_good(fake: FakeInflux, sink: InfluxSink) -> None:
    fake.max_bytes = 10
    with pytest.raises(Never, match="not even one point"):
        sink.write([run(n=2)])


def test_points_too_old_in_one_of_two_requests_do_not_condemn_the_other(
    fake: FakeInflux,
) -> None:
    sink = open_sink(settings(fake.version, fake.url, points_per_request=2), CHANNELS)
    words = b'{"error":"partial write: points beyond retention policy dropped=2"}'
    fake.script = [Play(400, body=words)]
    with pytest.raises(Never, match="retention") as caught:
        sink.write([run(n=4)])
    assert not caught.value.every


@pytest.mark.parametrize(
    ("play", "words", "wait_s"),
    [
        (Play(401), "credentials", None),
        (Play(404), "no such database", None),
        (Play(429, {"Retry-After": "9"}), "busy", 9.0),
        (Play(503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), "busy", 0.0),
        (Play(500, body=b"\xff\xfe oops"), "ill|UTF-8", None),
    ],
)
def test_a_server_is_failing_is_later(
    fake: FakeInflux, sink: InfluxSink, play: Play, words: str, wait_s: float | None
) -> None:
    fake.script = [play]
    with pytest.raises(Later, match=words) as caught:
        sink.write([run()])
    assert caught.value.retry_after_s == wait_s
    sink.write([run()])
    assert len(fake.points) == 3


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_its_target_sees_no_token(
    version: Version, status: int, token: dict[str, str]
) -> None:
    with FakeInflux(version) as first, FakeInflux(version) as second:
        first.script = [Play(status, {"Location": f"{second.url}/write?db=plots"})] * 2
        sink = open_sink(settings(version, first.url, token=token, username="u"), CHANNELS)
        with pytest.raises(Later, match="sends us on to http://127"):
            sink.write([run()])
        assert second.requests == []
        sink.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_token_shows_in_no_error_log_or_repr(
    version: Version, token: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    echo = f"who is {CANARY}?".encode()
    with FakeInflux(version) as fake:
        made = settings(version, fake.url, token=token, username="u" if version == 1 else "")
        sink = open_sink(made, CHANNELS)
        fake.script = [
            Play(status, body=echo) for status in (400, 401, 403, 404, 413, 418, 429, 500)
        ]
        fake.script += [Play(cut=True), Play(302, {"Location": f"http://x/{CANARY}"})]
        while fake.script:
            with pytest.raises(SinkError) as caught:
                sink.write([run(n=1)])
            texts += traceback.format_exception(caught.value)
        texts += [repr(made), str(made), repr(sink), made.model_dump_json()]
        assert "authorization" in fake.writes[0].headers
        sink.close()
    with pytest.raises(Later) as gone:
        open_sink(made, CHANNELS).write([run()])
    texts += [*traceback.format_exception(gone.value), caplog.text]
    assert not [text for text in texts if CANARY in text]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_token_is_told_as_credentials(version: Version, token: dict[str, str]) -> None:
    with FakeInflux(version, token="another") as fake:  # noqa: S106  a fake's own
        with pytest.raises(Later, match="credentials") as caught:
            open_sink(settings(version, fake.url, token=token), CHANNELS).write([run()])
        assert caught.value.blocked


def test_a_token_file_that_is_gone_blocks_and_names_the_file(tmp_path: Path) -> None:
    made = settings(2, "http://127.0.0.1:1", token={"file": str(tmp_path / "none")})
    with pytest.raises(Later, match="none can't be read") as caught:
        open_sink(made, CHANNELS)
    assert caught.value.blocked


def test_a_token_that_no_header_can_hold_blocks_without_being_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{CANARY}\nsecond line")
    made = settings(2, "http://127.0.0.1:1", token={"file": str(tmp_path / "token")})
    with pytest.raises(Later, match="characters") as caught:
        open_sink(made, CHANNELS)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_is_not_there_is_later_in_clear_words(version: Version) -> None:
    with FakeInflux(version) as fake:
        url = fake.url
    with pytest.raises(Later, match="can't be reached: .*refused") as caught:
        open_sink(settings(version, url), CHANNELS).write([run()])
    assert not caught.value.blocked


def test_a_server_without_tls_under_an_https_address_is_told_as_tls(fake: FakeInflux) -> None:
    url = fake.url.replace("http:", "https:")
    with pytest.raises(Later, match="TLS") as caught:
        open_sink(settings(fake.version, url), CHANNELS).write([run()])
    assert caught.value.blocked
    assert fake.requests == []


def test_withdrawn_points_leave_version_two_exactly() -> None:
    with FakeInflux(2) as fake:
        sink = open_sink(settings(2, fake.url), CHANNELS)
        sink.write([run(n=5), run(TEMPERATURE, n=5)])
        sink.withdraw(withdrawal(SWC, T0, T0 + 2 * MINUTE_NS))
        left = sorted((dict(tags)["channel"], t) for _, tags, t in fake.points)
        keys = [*keys_of([run(n=5)])[1:2], *keys_of([run(n=5)])[3:]]
        assert left == sorted([*keys, *keys_of([run(TEMPERATURE, n=5)])])
        assert not sink.notices
        sink.close()


def test_a_refused_delete_is_later_and_nothing_is_skipped() -> None:
    with FakeInflux(2) as fake:
        fake.script = [Play(400, body=b"invalid predicate")]
        with pytest.raises(Later, match="refuses to delete.*invalid predicate"):
            open_sink(settings(2, fake.url), CHANNELS).withdraw(withdrawal(SWC, T0))


def test_version_three_lays_flag_nine_over_and_says_so() -> None:
    with FakeInflux(3) as fake:
        sink = open_sink(settings(3, fake.url), CHANNELS)
        sink.write([run(n=2)])
        sink.withdraw(withdrawal(SWC, T0))
        flags = [fields["flag"] for _, fields in sorted(fake.points.items())]
        assert flags == [9.0, 1.0]
        assert "cannot delete" in sink.notices[0]
        sink.close()


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"url": "influx:8086"}, "an address such as https"),
        ({"url": "http://me:pw@influx"}, "without user, password"),
        ({"url": "http://x", "version": 2, "bucket": "b"}, "bucket and org for version 2"),
        ({"url": "http://x", "version": 1}, "database for version 1"),
        ({"url": "http://x", "version": 4}, "1, 2 or 3"),
        ({"url": "http://x", "token": CANARY}, "env = .NAME"),
    ],
)
def test_wrong_settings_are_told_what_would_be_right(given: dict[str, Any], right: str) -> None:
    with pytest.raises(ValidationError, match=right) as caught:
        InfluxSettings.model_validate({"database": "d", "version": 3, **given} | {
            key: "" for key in ("database",) if given.get("version") == 1
        })  # fmt: skip
    assert CANARY not in str(caught.value)


def test_version_one_does_without_the_client_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from edaphon.sinks.influxdb import *;"
        "open_sink(InfluxSettings(url='http://127.0.0.1:1', version=1, database='d'), {});"
        "sys.exit('influxdb_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_hanging_server_is_later_when_the_read_time_is_over(
    fake: FakeInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edaphon.network.requests.WHOLE_S", 0.2)
    fake.script = [Play(delay_s=5.0)]
    sink = open_sink(settings(fake.version, fake.url), CHANNELS)
    began = time.monotonic()
    with pytest.raises(Later, match="does not answer within 0.2 s"):
        sink.write([run()])
    assert time.monotonic() - began < 4.0
    sink.close()


def test_the_module_is_a_kind_of_sink() -> None:
    from edaphon.sinks.sink import sink_kind

    assert sink_kind("influxdb") is influxdb.KIND
    with pytest.raises(ValueError, match=r"kind of sink \(.*influxdb.*\), got 'lines'"):
        sink_kind("lines")


def test_many_points_are_withdrawn_in_bulk_by_a_token_that_may_only_write() -> None:
    """And whatever database name is mapped to which bucket: the server is asked for nothing."""
    with FakeInflux(2) as fake:
        sink = open_sink(settings(2, fake.url, database="mapped-elsewhere"), CHANNELS)
        sink.write([run(n=100)])
        times = run(n=100).time_ns
        gone, kept = times[10:90], np.delete(times, slice(10, 90))
        sink.withdraw(PointWithdrawal(SWC, gone, spans(gone, kept)))
        assert sorted(t for _, _, t in fake.points) == kept.tolist()
        assert [request.path for request in fake.requests].count("/api/v2/delete") == 1
        assert "/query" not in {request.path for request in fake.requests}
        sink.close()
