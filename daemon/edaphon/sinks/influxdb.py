"""InfluxDB 1, 2 and 3, and servers that speak their line protocol (VictoriaMetrics)."""

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from edaphon.model import Channel, Observations
from edaphon.network.requests import Answer, Limits, basic, is_loopback
from edaphon.sinks.influxql import (
    CANNOT_DELETE,
    DAYS,
    Erase,
    Influxql,
    Queries,
    Readback,
    Rows,
    delete,
)
from edaphon.sinks.lines import (
    DatabaseWire,
    LineWriter,
    TooLarge,
    judge,
    server_of,
    withdrawn_lines,
)
from edaphon.sinks.sink import Later, Never, PointWithdrawal, Read, SinkKind
from edaphon.toml_input.values import AbsolutePath, Secret, Table, wrong

QUERY_S, QUERY_BYTES = 120.0, 8_000_000  # of one answer when points are read back
GZIP_LEVEL = 1  # half the bytes of none for a tenth of the time of level 9


class InfluxSettings(Table):
    """Where an InfluxDB is, and how it wants to be spoken to."""

    kind: Literal["influxdb"] = "influxdb"
    url: str = Field(description="http://HOST:8086 or https://…, without a path or a user")
    version: Literal[1, 2, 3] = Field(
        default=2,
        description="1: /write; 2, 3: /api/v2/write; 3 also for VictoriaMetrics: it can't delete",
    )
    database: str = Field(default="", description="database (1, 3); for 2 it is not needed")
    bucket: str = Field(default="", description="bucket (2)")
    org: str = Field(default="", description="organisation (2)")
    username: str = Field(default="", description="user (1), with `token` as the password")
    token: Secret | None = Field(
        default=None,
        description="token (2, 3) or password (1); it may write, and read for `verify`",
    )
    ca_file: AbsolutePath | None = Field(default=None, description="certificates to trust, PEM")
    points_per_request: int = Field(default=5000, ge=1, le=100_000)

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        try:
            port_known = parts.port is None or parts.port > 0
        except ValueError:  # a password with a / in it
            port_known = False
        if parts.scheme not in {"http", "https"} or not parts.hostname or not port_known:
            raise wrong("an address such as https://influx.example.org:8086")
        if parts.username or parts.password or parts.query:
            raise wrong("an address without user, password or ?; give username and token")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.version == 2 and not (self.bucket and self.org):
            raise wrong("bucket and org for version 2")
        if self.version != 2 and not self.database:
            raise wrong(f"database for version {self.version}")
        return self

    @property
    def target(self) -> str:
        """What a write names: database or bucket."""
        return self.bucket if self.version == 2 else self.database

    @property
    def place(self) -> str:
        """Where the points are: with another place all of them are sent again."""
        return f"{self.url} {self.version} {self.target} {self.org}".rstrip()

    @property
    def reaches(self) -> Iterator[tuple[str, str]]:
        """What is connected to, by its key."""
        yield "url", self.url

    def secret(self) -> str:
        """The token or password as it stands now; Later when it can't be read."""
        if self.token is None:
            return ""
        try:
            secret = self.token.reveal()
        except (OSError, LookupError, UnicodeDecodeError):
            why = f"blocked: the token can't be read: {self.token.problem()}"
            raise Later(why, blocked=True) from None
        if self.version != 1 and not (secret.isascii() and secret.isprintable()):
            why = "blocked: credentials: the token holds characters that no header can"
            raise Later(why, blocked=True)
        return secret


def doubts(settings: InfluxSettings) -> Iterator[tuple[str, str, str]]:
    """About a token that goes over a network as it is: key, what came, what would be right."""
    parts = urlsplit(settings.url)
    host = parts.hostname or ""
    if settings.token is not None and parts.scheme == "http" and not is_loopback(host):
        yield "url", f"the token goes unencrypted to {host}", "an address of https"


Post = Callable[[bytes], Answer]  # of gzipped lines; Later when no answer comes


class InfluxSink:
    """See Sink."""

    def __init__(
        self,
        wire: DatabaseWire,
        post: Post,
        erase: Erase,
        writer: LineWriter,
        points_per_request: int,
        notices: Sequence[str] = (),
        read: Read | None = None,
    ) -> None:
        self._wire, self._post, self._erase, self.notices = wire, post, erase, notices
        self._writer = writer
        self._size = _Size(points_per_request)
        self.server = ""
        self.read = read

    @property
    def points_per_request(self) -> int:
        return self._size.points

    def write(self, batch: Sequence[Observations]) -> None:
        self.write_lines(self._writer.batch(batch))

    def write_lines(self, lines: bytes) -> None:
        """Line protocol, a line for each point."""
        self._send(lines.splitlines(keepends=True))

    def withdraw(self, withdrawal: PointWithdrawal) -> None:
        if lines := self._erase(withdrawal):
            self._send(lines.splitlines(keepends=True))

    def close(self) -> None:
        self._wire.close()

    def _send(self, lines: list[bytes]) -> None:
        start = 0
        while start < len(lines):
            piece = lines[start : start + self._size.points]
            try:
                self._ask(piece)
            except TooLarge as error:
                if len(piece) == 1:
                    why = "the server takes not even one point in a request (413)"
                    raise Never(why, str(error)) from None
                self._size.refused(len(piece))
            except Never as never:
                whole = never.every and len(piece) == len(lines)
                raise Never(never.why, never.words, every=whole) from None
            else:
                start += len(piece)
                self._size.taken(len(piece))

    def _ask(self, lines: list[bytes]) -> None:
        body = gzip.compress(b"".join(lines), GZIP_LEVEL, mtime=0)
        answer = self._post(body)
        judge(answer, len(lines))
        self.server = server_of(answer)


class _Size:
    """Points in one request: halved after a 413, doubled again ever more rarely: it may pass."""

    def __init__(self, largest: int) -> None:
        self.points = self._largest = largest
        self._patience = 2  # full requests taken before it grows
        self._taken = 0
        self._grown = False

    def refused(self, points: int) -> None:
        self.points = max(1, points // 2)
        if self._grown:
            self._patience = min(2 * self._patience, 4096)
        self._taken, self._grown = 0, False

    def taken(self, points: int) -> None:
        if points < self.points or self.points == self._largest:
            return
        self._taken += 1
        if self._grown and self._taken == 1:
            self._grown = False
        if self._taken >= self._patience:
            self.points = min(2 * self.points, self._largest)
            self._taken, self._grown = 0, True


def open_sink(settings: InfluxSettings, channels: Mapping[str, Channel]) -> InfluxSink:
    """Opens no connection yet; imports the client library for versions 2 and 3 alone."""
    secret = settings.secret()
    writer = LineWriter(channels)
    wire = _wire(settings, secret)
    erase: Erase
    if settings.version == 1:
        query = {"db": settings.database, "precision": "ns"}
        post: Post = partial(wire.post, "/write", query, headers={"Content-Encoding": "gzip"})
        erase = partial(delete, Influxql(wire, settings.database))
        return InfluxSink(wire, post, erase, writer, settings.points_per_request)
    from edaphon.sinks.influx_client import Client

    client = Client(wire, secret, settings.org)
    post = client.poster(settings.target)
    if settings.version == 2:
        erase = partial(client.delete, settings.bucket)
        return InfluxSink(wire, post, erase, writer, settings.points_per_request)
    erase = partial(withdrawn_lines, writer)
    reading = partial(_read, settings, channels)
    points = settings.points_per_request
    return InfluxSink(wire, post, erase, writer, points, [CANNOT_DELETE], reading)


def _read(
    settings: InfluxSettings,
    channels: Mapping[str, Channel],
    channel: str,
    first_ns: int,
    last_ns: int,
) -> list[Rows]:
    """InfluxDB 3 does not promise that the later of two writes stands: read what does."""
    with closing(open_readback(settings)) as back:
        return list(back.rows(channels[channel], first_ns, last_ns + 1))


def open_queries(settings: InfluxSettings) -> Queries:
    """The questions of the same database or bucket, for reading back; opens no connection yet."""
    secret = settings.secret()
    wire = _wire(settings, secret, Limits(QUERY_S, QUERY_BYTES))
    if settings.version != 2:
        return Influxql(wire, settings.database)
    from edaphon.sinks.influx_client import Client, Flux  # no other version needs it

    return Flux(Client(wire, secret, settings.org), settings.bucket)


def _wire(settings: InfluxSettings, secret: str, limits: Limits | None = None) -> DatabaseWire:
    if settings.version == 1:
        header = basic(settings.username, secret) if settings.username else ""
    else:
        header = f"Token {secret}" if secret else ""
    return DatabaseWire(settings.url, header, settings.ca_file, [secret], limits)


def open_readback(settings: InfluxSettings) -> Readback:
    """Opens no connection yet."""
    return Readback(open_queries(settings), DAYS[settings.version])


KIND = SinkKind(InfluxSettings, open_sink, doubts, open_readback)
