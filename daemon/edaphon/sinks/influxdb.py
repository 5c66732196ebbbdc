"""InfluxDB 1, 2 and 3, and servers that speak their line protocol (VictoriaMetrics)."""

import gzip
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from edaphon.nouns import Channel, Int, Observations
from edaphon.sinks.answers import Answer, TooLarge, judge
from edaphon.sinks.client import ClientPost
from edaphon.sinks.erase import ByDelete, ByFlag, ByInfluxql, Erase
from edaphon.sinks.influxql import Influxql
from edaphon.sinks.lines import LineWriter
from edaphon.sinks.sink import Later, Never
from edaphon.sinks.wire import Wire, basic
from edaphon.written.values import AbsolutePath, Secret, Table, wrong

__all__ = ["InfluxSink", "Settings", "open_influxql", "open_sink"]

GZIP_LEVEL = 1  # half the bytes of none for a tenth of the time of level 9


class Settings(Table):
    """Where an InfluxDB is, and how it wants to be spoken to."""

    kind: Literal["influxdb"] = "influxdb"
    url: str = Field(description="http://HOST:8086 or https://…, without a path or a user")
    version: Literal[1, 2, 3] = Field(
        default=2,
        description="1: /write; 2, 3: /api/v2/write; 3 also for VictoriaMetrics: it can't delete",
    )
    database: str = Field(
        default="", description="database (1, 3); for 2 the name mapped to the bucket"
    )
    bucket: str = Field(default="", description="bucket (2)")
    org: str = Field(default="", description="organisation (2)")
    username: str = Field(default="", description="user (1), with `token` as the password")
    token: Secret | None = Field(default=None, description="token (2, 3) or password (1)")
    ca_file: AbsolutePath | None = Field(default=None, description="certificates to trust, PEM")
    points_per_request: int = Field(default=5000, ge=1, le=100_000)

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
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

    def secret(self) -> str:
        """The token or password as it stands now; Later when it can't be read."""
        if self.token is None:
            return ""
        try:
            secret = self.token.reveal()
        except (OSError, LookupError, UnicodeDecodeError):
            why = f"blocked: the token can't be read: {self.token.trouble()}"
            raise Later(why, blocked=True) from None
        if self.version != 1 and not (secret.isascii() and secret.isprintable()):
            why = "blocked: credentials: the token holds characters that no header can"
            raise Later(why, blocked=True)
        return secret


class Post(Protocol):
    """Posts gzipped lines; Later when no answer comes."""

    def post(self, lines: bytes) -> Answer: ...

    def close(self) -> None: ...


class WritePost:
    """POST /write of InfluxDB 1, by urllib3 alone: the client library would add 15 MB."""

    def __init__(self, wire: Wire, database: str) -> None:
        self._wire = wire
        self._query = {"db": database, "precision": "ns"}

    def post(self, lines: bytes) -> Answer:
        return self._wire.post("/write", self._query, lines, {"Content-Encoding": "gzip"})

    def close(self) -> None:
        self._wire.close()


class InfluxSink:
    """See Sink."""

    def __init__(
        self, post: Post, erase: Erase, writer: LineWriter, points_per_request: int
    ) -> None:
        self._post = post
        self._erase = erase
        self._writer = writer
        self.points_per_request = points_per_request

    @property
    def notices(self) -> Sequence[str]:
        return [self._erase.notice] if self._erase.notice else []

    def write(self, batch: Sequence[Observations]) -> None:
        self._send(self._writer.batch(batch).splitlines(keepends=True))

    def withdraw(self, channel: Channel, times_ns: Int) -> None:
        if lines := self._erase.erase(channel, times_ns):
            self._send(lines.splitlines(keepends=True))

    def close(self) -> None:
        self._post.close()
        self._erase.close()

    def _send(self, lines: list[bytes]) -> None:
        start = 0
        while start < len(lines):
            piece = lines[start : start + self.points_per_request]
            try:
                self._ask(piece)
            except TooLarge as error:
                self._smaller(len(piece), str(error))
            except Never as never:
                whole = never.every and len(piece) == len(lines)
                raise Never(never.why, never.words, every=whole) from None
            else:
                start += len(piece)

    def _ask(self, lines: list[bytes]) -> None:
        body = gzip.compress(b"".join(lines), GZIP_LEVEL, mtime=0)
        judge(self._post.post(body), len(lines))

    def _smaller(self, points: int, words: str) -> None:
        """413: halve what goes into one request, and remember it."""
        if points == 1:
            raise Never("the server takes not even one point in a request (413)", words)
        self.points_per_request = points // 2


def open_sink(settings: Settings, channels: Mapping[str, Channel]) -> InfluxSink:
    """Opens no connection yet; imports the client library for versions 2 and 3."""
    secret = settings.secret()
    writer = LineWriter(channels)
    wire = _wire(settings, secret)
    post: Post
    if settings.version == 1:
        post = WritePost(wire, settings.database)
    else:
        post = ClientPost(settings.url, secret, settings.org, settings.target, settings.ca_file)
    erase = _erase(settings, wire, writer)
    return InfluxSink(post, erase, writer, settings.points_per_request)


def open_influxql(settings: Settings) -> Influxql:
    """The queries of the same database, for reading back."""
    return Influxql(_wire(settings, settings.secret()), settings.database or settings.bucket)


def _wire(settings: Settings, secret: str) -> Wire:
    if settings.version == 1:
        header = basic(settings.username, secret) if settings.username else ""
    else:
        header = f"Token {secret}" if secret else ""
    return Wire(settings.url, header, settings.ca_file, [secret])


def _erase(settings: Settings, wire: Wire, writer: LineWriter) -> Erase:
    if settings.version == 1:
        return ByInfluxql(Influxql(wire, settings.database))
    if settings.version == 2:
        return ByDelete(wire, settings.org, settings.bucket, settings.database)
    return ByFlag(writer)
