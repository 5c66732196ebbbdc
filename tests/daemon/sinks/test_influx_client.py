"""influxdb-client: what its own connections can't bound, and what it does over ours.

The server is played (tests/fake_influx.py and raw sockets here): no real InfluxDB 2 answered these.
Not seen so: how fast a real one pivots a year, and its words for a token without the right to read.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from tests.daemon.sinks.samples import CHANNELS, MINUTE_NS, SWC, T0, TEMPERATURE, run
from tests.fake_influx import DAY_NS, FakeInflux, Play

from edaphon.model import Channel
from edaphon.network.requests import Limits
from edaphon.sinks import influxql
from edaphon.sinks.influx_client import Client, Flux
from edaphon.sinks.influxdb import InfluxSettings, open_readback, open_sink
from edaphon.sinks.influxql import Readback
from edaphon.sinks.lines import DatabaseWire
from edaphon.sinks.sink import Later

DAY = date(2026, 1, 1)
WITHIN_S = 0.3
HUGE = 8_000_000
CANARY = "canary-5f1d2c"


def settings(url: str, **more: Any) -> InfluxSettings:
    return InfluxSettings.model_validate({"url": url, "bucket": "plots", "org": "lter", **more})


@contextmanager
def server(respond: Callable[[socket.socket], None]) -> Iterator[str]:
    """One that answers each connection so, to the last byte that is taken."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(5)

        def talk() -> None:
            try:
                with closing(listener.accept()[0]) as connection:
                    connection.settimeout(2)
                    connection.recv(65536)
                    respond(connection)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):  # else unread bytes would reset it
                        pass
            except OSError:
                pass  # whoever asked went away

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def slow_head(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 204 No Content\r\nX: aaaaaaaaaa\r\n\r\n":
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def slow_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
    for _ in range(40):
        connection.sendall(b" ")
        time.sleep(0.02)


def huge_error(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 no\r\nContent-Length: %d\r\n\r\n" % HUGE + bytes(HUGE))


def page_of_a_proxy(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n<html>Log in</html>")


def elsewhere(connection: socket.socket) -> None:
    connection.sendall(
        b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    )


def busy(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 429 B\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}")


CALLS: dict[str, Callable[[Any], object]] = {
    "query": lambda client: list(client.query_api().query_csv("x")),
    "delete": lambda client: client.delete_api().delete("1", "2", "a=b", "b", "lter"),
    "buckets": lambda client: client.buckets_api().find_buckets(),
    "rights": lambda client: client.authorizations_api().find_authorizations(),
    "version": lambda client: client.version(),
    "write": lambda client: client.write_api(write_options=SYNCHRONOUS).write("b", "o", b"a b=1"),
}
drips = pytest.mark.parametrize("name", ["query", "write"])
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


# -- why the connection stays ours -------------------------------------------------------------


@pytest.mark.parametrize("respond", [slow_head, slow_body])
@drips
def test_the_clients_own_time_out_ends_no_exchange_that_drips(
    respond: Callable[[socket.socket], None], name: str
) -> None:
    """Its time-out is one of each read. With ours: test_one_deadline_ends_what_drips."""
    begun_s = time.monotonic()
    with server(respond) as url, InfluxDBClient(url, "t", org="lter", timeout=100) as client:
        CALLS[name](client)
    assert time.monotonic() - begun_s > 0.5


@each_call
def test_the_client_reads_an_error_of_any_size(call: Callable[[Any], object]) -> None:
    """Even where the answer is asked for as a stream. With ours: test_no_answer_is_read_whole."""
    with server(huge_error) as url, InfluxDBClient(url, "t", org="lter") as client:
        with pytest.raises(ApiException) as caught:
            call(client)
        assert len(caught.value.body) == HUGE


@pytest.mark.parametrize("name", ["write", "delete"])
def test_the_client_takes_the_page_of_a_proxy_for_success(name: str) -> None:
    """So `judge` decides what a write and a delete were answered."""
    with server(page_of_a_proxy) as url, InfluxDBClient(url, "t", org="lter") as client:
        CALLS[name](client)


def test_the_clients_ping_and_health_hide_why() -> None:
    with server(busy) as url, InfluxDBClient(url, "t", org="lter") as client:
        assert client.ping() is False
    with server(busy) as url, InfluxDBClient(url, "t", org="lter") as client:  # noqa: SIM117
        with pytest.deprecated_call():
            assert client.health().status == "fail"


@each_call
def test_what_the_client_can_do_itself_is_status_and_headers(call: Callable[[Any], object]) -> None:
    """The token is sent on nowhere; 429 is asked once and shows Retry-After."""
    with server(elsewhere) as url, InfluxDBClient(url, "t", org="lter") as client:
        with pytest.raises(ApiException) as caught:
            call(client)
        assert caught.value.status == 302
    with server(busy) as url, InfluxDBClient(url, "t", org="lter") as client:
        with pytest.raises(ApiException) as caught:
            call(client)
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "7")


# -- over our connection -----------------------------------------------------------------------


def over_ours(url: str, answer_bytes: int = 65_536) -> Client:
    limits = Limits(WITHIN_S, answer_bytes)
    return Client(DatabaseWire(url, f"Token {CANARY}", limits=limits), CANARY, "lter")


@pytest.mark.parametrize("respond", [slow_head, slow_body])
@drips
def test_one_deadline_ends_what_drips(respond: Callable[[socket.socket], None], name: str) -> None:
    with server(respond) as url, closing(over_ours(url)) as client:
        begun_s = time.monotonic()
        with pytest.raises(Later, match=r"does not answer within 0\.3 s"):
            client.carry(lambda: CALLS[name](client.library))
        assert time.monotonic() - begun_s < 0.6


@each_call
def test_no_answer_is_read_whole(call: Callable[[Any], object]) -> None:
    with server(huge_error) as url, closing(over_ours(url)) as client:  # noqa: SIM117
        with pytest.raises(Later, match="larger than edaphon reads"):
            client.carry(lambda: call(client.library))


@each_call
def test_status_and_retry_after_are_exact(call: Callable[[Any], object]) -> None:
    with server(busy) as url, closing(over_ours(url)) as client:
        with pytest.raises(Later, match=r"busy or ill \(429\)") as caught:
            client.carry(lambda: call(client.library))
        assert caught.value.retry_after_s == 7
    with server(elsewhere) as url, closing(over_ours(url)) as client:  # noqa: SIM117
        with pytest.raises(Later, match="sends us on to http://127.0.0.1"):
            client.carry(lambda: call(client.library))


def test_a_page_of_a_proxy_is_no_answer_to_a_question() -> None:
    with server(page_of_a_proxy) as url:
        flux = Flux(over_ours(url), "plots")
        with pytest.raises(Later, match="expected the answer of an InfluxDB .*Log in"):
            flux.counts(SWC, T0, T0 + DAY_NS)


def test_a_client_that_does_not_use_our_connection_is_shown_at_once() -> None:
    client = over_ours("http://127.0.0.1:1")
    with pytest.raises(Later, match="install the version that edaphon names") as caught:
        client.carry(lambda: "what another connection brought")
    assert caught.value.blocked


# -- reading back version 2 --------------------------------------------------------------------


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    with FakeInflux(2) as fake:
        yield fake


@pytest.fixture
def back(fake: FakeInflux) -> Iterator[Readback]:
    with closing(open_readback(settings(fake.url))) as opened:
        yield opened


def written(fake: FakeInflux, *runs: Any) -> None:
    with closing(open_sink(settings(fake.url), CHANNELS)) as sink:
        sink.write(list(runs))


def test_every_number_comes_back_exactly_through_flux(fake: FakeInflux, back: Readback) -> None:
    own = run(n=3, u_random=np.array([0.1, np.nan, 1e-300]))
    written(fake, own, run(TEMPERATURE, n=2))
    (page,) = back.rows(SWC, T0, T0 + DAY_NS)
    for column in ("time_ns", "value", "raw", "u_random", "u_systematic", "flag"):
        np.testing.assert_array_equal(getattr(page, column), getattr(own, column))
    assert page.derivation == (own.derivation,) * 3
    asked = [request for request in fake.requests if request.path == "/api/v2/query"]
    assert asked[0].query == {"org": "lter"}
    assert "/query" not in {request.path for request in fake.requests}


def test_pages_and_spans_lose_and_double_nothing(
    fake: FakeInflux, back: Readback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edaphon.sinks.influx_client.PAGE", 2)
    monkeypatch.setattr(influxql, "PAGE", 2)
    written(fake, run(n=5))
    pages = list(back.rows(SWC, T0 + MINUTE_NS, T0 + 4 * MINUTE_NS))
    assert [t for page in pages for t in page.time_ns] == [T0 + n * MINUTE_NS for n in (1, 2, 3)]


def test_counts_are_those_of_utc_days_in_the_bucket_itself(
    fake: FakeInflux, back: Readback
) -> None:
    written(fake, run(n=3), run(n=2, start_ns=T0 + DAY_NS, value=np.nan))
    days = [DAY - timedelta(1), DAY, DAY + timedelta(1)]
    assert list(back.counts(SWC, days).values()) == [0, 3, 2]


def test_texts_of_a_channel_are_no_flux(fake: FakeInflux) -> None:
    odd = Channel('a"b${c}\\d', "volumetric_water_content", "m3/m3", "hw", "N1", depth_cm="5")
    flux = Flux(over_ours(fake.url), 'p"${x}')
    query = flux._chosen(odd, T0, T0 + 1, ["flag"])
    assert r'from(bucket: "p\"\${x}")' in query
    assert r'r.channel == "a\"b\${c}\\d"' in query
    flux.close()


def test_what_can_not_be_read_names_health_bucket_and_rights(
    fake: FakeInflux, back: Readback
) -> None:
    fake.to_read = False
    with pytest.raises(Later) as caught:
        back.counts(SWC, [DAY])
    words = caught.value.why
    assert "no such database, bucket or path on this server (404)" in words
    assert "health: pass, version v2.7.12" in words
    assert "bucket 'plots': the token sees none of this name" in words
    assert "rights: write buckets" in words


def test_an_error_in_the_midst_of_an_answer_is_one(fake: FakeInflux, back: Readback) -> None:
    row = ",_result,0,2026-01-01T00:00:00Z,3\r\n"
    table = f",result,table,_time,_value\r\n{row}\r\n,error,reference\r\n,out of memory,897\r\n"
    fake.script = [Play(200, body=table.encode())]
    with pytest.raises(Later, match="refuses a query: out of memory"):
        back.counts(SWC, [DAY])
