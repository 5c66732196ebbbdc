"""A fake InfluxDB that plays the documented answers of versions 1, 2 and 3; no real one.

It parses lines with line-protocol-parser, keeps the last write of a field, and holds field types.
Version 3 plays what 3.6.0 was seen to do: while several writes of a point are in its memory an
older one may stand (`to_disk` ends that), a question over too many files of ten minutes is refused,
and a refused batch may be named without its lines.
"""

import calendar
import gzip
import re
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

import orjson
from line_protocol_parser import LineFormatError, parse_line

FILE_NS, DAY_NS = 600 * 10**9, 86_400 * 10**9
FILES = 432
FLUX_PATHS = {"/api/v2/query", "/health", "/api/v2/buckets", "/api/v2/authorizations"}
NO_BUCKET = (
    b'{"code":"not found","message":"failed to initialize execute state: could not find bucket"}'
)
Point = tuple[str, tuple[tuple[str, str], ...], int]  # measurement, tags, time


@dataclass(frozen=True)
class Play:
    """One scripted answer; `store` says whether the lines are stored before it."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    cut: bool = False  # close the connection without an answer
    store: bool = False
    version: str = ""


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes  # unpacked


class FakeInflux:
    """Listens on a free loopback port; `script` holds the next answers, then rules apply."""

    def __init__(
        self,
        version: Literal[1, 2, 3] = 2,
        token: str = "",
        target: str = "plots",
        refuse: Callable[[dict[str, Any]], str] = lambda _: "",
        max_bytes: int = 25_000_000,
    ) -> None:
        self.version, self.token, self.target = version, token, target
        self.refuse, self.max_bytes = refuse, max_bytes
        self.script: list[Play] = []
        self.requests: list[Request] = []
        self.points: dict[Point, dict[str, Any]] = {}
        self.types: dict[tuple[str, str], type] = {}
        self.memory: dict[Point, list[dict[str, Any]]] = {}
        self.to_read = True  # versions 2 and 3: the token may read
        self.without_data = False  # version 3: a refused batch is named without its lines
        self.released = threading.Event()  # ends every delay at close
        fake = self

        class Conversation(_Conversation):
            def do_POST(self) -> None:
                fake.converse(self)

            def do_GET(self) -> None:
                fake.converse(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Conversation)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def writes(self) -> list[Request]:
        return [r for r in self.requests if r.path.endswith("write")]

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on; the handshake happens in each conversation's own thread."""
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def converse(self, talk: "_Conversation") -> None:
        request = talk.request_read()
        self.requests.append(request)
        play = self.script.pop(0) if self.script else None
        if play is None:
            talk.answer(self.ruled(request))
            return
        if play.store:
            self.ruled(request)
        self.released.wait(play.delay_s)
        if play.cut:
            talk.close_connection = True
        else:
            talk.answer(play)

    def ruled(self, request: Request) -> Play:
        """What a real server of this version answers, by its documentation."""
        if (refusal := self._door(request)) is not None:
            return refusal
        if request.path == "/api/v2/delete":
            return self._delete(orjson.loads(request.body))
        if request.path in {"/health", "/api/v2/buckets", "/api/v2/authorizations"}:
            return self._of_itself(request)
        if request.path == "/api/v2/query":
            return self._flux(orjson.loads(request.body)["query"])
        if request.path == "/query" and not self.to_read:
            return Play(403, body=b'{"error":"the token may only write"}')
        if request.path == "/query":
            return self._answered(dict(parse_qsl(request.body.decode()))["q"])
        lines = [line for line in request.body.decode().split("\n") if line]
        before = dict(self.points) if self.without_data else {}
        wrong = [stated for line in lines if (stated := self._store(line))]
        if wrong and self.without_data:
            self.points = before
        return self._identity_stated(wrong)

    def _door(self, request: Request) -> Play | None:
        known = {
            1: {"/write"},
            2: {"/api/v2/write", "/api/v2/delete", *FLUX_PATHS},
            3: {"/api/v2/write", "/query"},
        }
        if request.path not in known[self.version]:
            return Play(404, body=b'{"code":"not found","message":"path not found"}')
        if self.token and not request.headers.get("authorization", "").endswith(self.token):
            return Play(401, body=b'{"code":"unauthorized","message":"unauthorized access"}')
        if request.path in FLUX_PATHS:
            return None
        asked = request.query or dict(parse_qsl(request.body.decode()))
        if asked.get("db", asked.get("bucket")) != self.target:
            return Play(404, body=b'{"code":"not found","message":"bucket not found"}')
        if len(request.body) > self.max_bytes:
            return Play(413, body=b'{"code":"request too large"}')
        return None

    def _store(self, line: str) -> str:
        """Keep a line; what is wrong with it, else nothing."""
        try:
            parsed = parse_line(line)
        except LineFormatError as error:
            return f"unable to parse '{line}': {error}"
        if stated := self.refuse(parsed) or self._conflict(parsed):
            return stated
        tags = tuple(sorted(parsed["tags"].items()))
        point = (parsed["measurement"], tags, parsed["time"])
        if self.version == 3:
            self._keep_in_memory(point, parsed["fields"])
        else:
            self.points.setdefault(point, {}).update(parsed["fields"])
        return ""

    def _keep_in_memory(self, point: Point, fields: dict[str, Any]) -> None:
        """After two rewrites an older write of one point in ten stands, of three in ten after
        more; which one, each further write decides anew."""
        writes = self.memory.setdefault(point, [dict(self.points.get(point, {}))])
        writes.append({**writes[-1], **fields})
        n = len(writes) - 1
        odd = zlib.crc32(repr((point, n)).encode()) % 10 < {1: 0, 2: 0, 3: 1}.get(n, 3)
        self.points[point] = writes[-2 if odd else -1]

    def to_disk(self) -> None:
        """What stands in memory stands for good, until it is written again."""
        self.memory.clear()

    def _answered(self, query: str) -> Play:
        """The two questions that Readback asks."""
        measurement = _found(r'FROM "([^"]*)"', query)
        channel = _found(r"\"channel\" = '([^']*)'", query)
        first, last = (int(_found(rf"time {op}= (-?\d+)", query)) for op in (">", "<"))
        inside = {p: f for p, f in self.points.items() if p[0] == measurement}
        inside = {p: f for p, f in inside.items() if first <= p[2] <= last}
        if len({p[2] // FILE_NS for p in inside}) > FILES:
            words = f"External error: Query would exceed file limit of {FILES} parquet files."
            return Play(200, body=orjson.dumps({"results": [{"statement_id": 0, "error": words}]}))
        own = {p[2]: f for p, f in sorted(inside.items()) if dict(p[1])["channel"] == channel}
        if "count(" in query:
            days = [t // DAY_NS * DAY_NS for t, f in own.items() if f["derivation"] != "withdrawn"]
            columns, values = ["time", "count"], [[day, days.count(day)] for day in sorted({*days})]
        else:
            columns = ["time", *re.findall(r'"(\w+)"', query.split(" FROM ")[0])]
            limit = int(_found(r"LIMIT (\d+)", query))
            rows = list(own.items())[:limit]
            values = [[t, *(f.get(name) for name in columns[1:])] for t, f in rows]
        series = [{"name": measurement, "columns": columns, "values": values}] if values else []
        found = {"statement_id": 0, **({"series": series} if series else {})}
        return Play(200, body=orjson.dumps({"results": [found]}))

    def _of_itself(self, request: Request) -> Play:
        """Health, buckets by name and tokens, as version 2 documents them."""
        bucket = {"id": "b1", "name": self.target, "retentionRules": []}
        shown = [bucket] if self.to_read and request.query.get("name") == self.target else []
        actions = ("read", "write") if self.to_read else ("write",)
        rights = [{"action": action, "resource": {"type": "buckets"}} for action in actions]
        found = {
            "/health": {"name": "influxdb", "status": "pass", "version": "v2.7.12"},
            "/api/v2/buckets": {"buckets": shown},
            "/api/v2/authorizations": {"authorizations": [{"permissions": rights}]},
        }
        return Play(200, body=orjson.dumps(found[request.path]))

    def _flux(self, query: str) -> Play:
        """The two questions that Flux asks, as CSV without annotations."""
        if _found(r'bucket: "((?:[^"\\]|\\.)*)"', query) != self.target or not self.to_read:
            return Play(404, body=NO_BUCKET)
        first, last = (_ns(_found(rf"{end}: ([0-9TZ:.-]+)", query)) for end in ("start", "stop"))
        wanted = dict(re.findall(r'r\.(\w+) == "((?:[^"\\]|\\.)*)"', query))
        own = {
            point[2]: fields
            for point, fields in sorted(self.points.items(), key=lambda one: one[0][2])
            if point[0] == wanted["_measurement"]
            and dict(point[1])["channel"] == wanted["channel"]
            and first <= point[2] < last
        }
        if "count" in query:
            days = [t // DAY_NS * DAY_NS for t, f in own.items() if "flag" in f]
            columns = ["_time", "_value"]
            rows = [[_rfc3339(day), days.count(day)] for day in sorted({*days})]
        else:
            columns = re.findall(r'"(\w+)"', query.rpartition("columns: [")[2])
            most = int(_found(r"limit\(n: (\d+)\)", query))
            rows = [
                [_rfc3339(t), *(f.get(name, "") for name in columns[1:])]
                for t, f in list(own.items())[:most]
            ]
        table = [["", "result", "table", *columns], *(["", "_result", 0, *row] for row in rows)]
        lines = [",".join(map(str, line)) + "\r\n" for line in table] if rows else []
        return Play(200, body="".join([*lines, "\r\n"]).encode())

    def _conflict(self, parsed: dict[str, Any]) -> str:
        for name, value in parsed["fields"].items():
            kind = self.types.setdefault((parsed["measurement"], name), type(value))
            if kind is not type(value):
                return f'field type conflict: input field "{name}"'
        return ""

    def _identity_stated(self, wrong: list[str]) -> Play:
        if not wrong:
            return Play(204)
        if self.version == 1:
            text = f"partial write: {wrong[0]} dropped={len(wrong)}"
            return Play(400, body=orjson.dumps({"error": text}))
        if self.version == 2:
            text = f"failure writing points to database: partial write: {wrong[0]}"
            return Play(422, body=orjson.dumps({"code": "unprocessable entity", "message": text}))
        if self.without_data:
            return Play(400, body=orjson.dumps({"error": f"{wrong[0]}; nothing was stored"}))
        data = [{"error_message": stated, "line_number": 1} for stated in wrong[:100]]
        text = "partial write of line protocol occurred"
        return Play(400, body=orjson.dumps({"error": text, "data": data}))

    def _delete(self, asked: dict[str, str]) -> Play:
        """Both ends of the range are deleted (influxdb v2, storage/engine.go)."""
        first, last = _ns(asked["start"]), _ns(asked["stop"])
        wanted = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', asked["predicate"]))
        measurement = wanted.pop("_measurement")
        for point in list(self.points):
            name, tags, time_ns = point
            if name == measurement and first <= time_ns <= last and wanted.items() <= set(tags):
                del self.points[point]
        return Play(204)


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one segment per answer: no 40 ms of delayed acknowledgement
    disable_nagle_algorithm = True

    def request_read(self) -> Request:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(parts.path, dict(parse_qsl(parts.query)), headers, body)

    def answer(self, play: Play) -> None:
        try:
            self.send_response(play.status)
            if play.version:
                self.send_header("X-Influxdb-Version", play.version)
            for name, value in play.headers.items():
                self.send_header(name, value)
            if play.status != 204:
                self.send_header("Content-Length", str(len(play.body)))
            self.end_headers()
            self.wfile.write(play.body)
        except ConnectionError:  # the client went away, as it may
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests read `requests`."""


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


def _rfc3339(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def _ns(text: str) -> int:
    seconds, _, rest = text.rstrip("Z").partition(".")
    whole = time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(whole) * 10**9 + int(rest.ljust(9, "0") or 0)
