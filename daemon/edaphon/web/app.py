"""The page and its metrics as an ASGI application and as a server process."""

import asyncio
import re
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import uvicorn
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from edaphon.printer import visible_lines
from edaphon.web.column import HEIGHT, WIDTH
from edaphon.web.metrics import MEDIA_TYPE, silent_text, status_text
from edaphon.web.page import make_page
from edaphon.web.view import Silent, StatusWatch, View

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?", re.IGNORECASE)
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class HostGuard:
    """A foreign Host header gets 421 (DNS rebinding), anything but GET and HEAD gets 405."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = LOOPBACK | {_bracketed(host.lower()) for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        answer = self._refusal(scope) or self._app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        if not self._known(Headers(scope=scope).getlist("host")):
            return PlainTextResponse("This page does not answer to that host name.\n", 421)
        if scope["method"] not in {"GET", "HEAD"}:
            allowed = {"Allow": "GET, HEAD"}
            return PlainTextResponse("This page is for reading only.\n", 405, allowed)
        return None

    def _known(self, named: list[str]) -> bool:
        found = _HOST.fullmatch(named[0]) if len(named) == 1 else None
        return found is not None and found[1].lower() in self._hosts


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


MOST = 64  # connections
HEAD_WITHIN_S = 5.0  # from the connection, or the answer before, to the end of a request's head
ANSWER_WITHIN_S = 40.0  # made and taken by the peer
STUCK_S = 2.0  # an answer that is not taken for so long makes room for others


class BoundedProtocol(H11Protocol):
    """A connection with deadlines; where there are too many, the one that waits longest ends."""

    _timer: asyncio.TimerHandle | None = None
    _since_s = 0.0  # on the loop's clock
    _busy = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()
        if len(self.connections) > MOST:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._answering != self._busy:
            self._arm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _arm(self) -> None:
        """A new deadline, of the request's head or of its answer; bytes alone do not move it."""
        if self._timer is not None:
            self._timer.cancel()
        self._since_s, self._busy = self.loop.time(), self._answering
        within_s = ANSWER_WITHIN_S if self._busy else HEAD_WITHIN_S
        self._timer = self.loop.call_later(within_s, self.transport.abort)

    def _make_room(self) -> None:
        own = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        waiting = [each for each in own if each is not self and each.waits]
        ended = min(waiting or [self], key=lambda each: each._since_s)
        self.connections.discard(ended)  # abort is not done before the next turn of the loop
        ended.transport.abort()

    @property
    def waits(self) -> bool:
        """Whether it waits for its peer: for a request, or for an answer to be taken."""
        if not self._busy or self.conn.trailing_data[0]:
            return True
        return self.flow.write_paused and self.loop.time() - self._since_s > STUCK_S


FILES = Path(__file__).parent / "files"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def make_app(
    view: View, hosts: Collection[str], now_ns: Callable[[], int] = time.time_ns
) -> Starlette:
    """`hosts` are the names, besides those of the loopback, under which the page answers."""
    watch = StatusWatch(view, now_ns)
    template = _templates().get_template("page.html")

    def page(request: Request) -> Response:
        text = template.render(page=make_page(watch.look()), width=WIDTH, height=HEIGHT)
        return HTMLResponse(text)

    def metrics(request: Request) -> Response:
        try:
            text = status_text(watch.status())
        except Silent as silence:
            text = silent_text(str(silence))
        return Response(text, media_type=MEDIA_TYPE)

    files = [_file(path) for path in sorted(FILES.iterdir()) if path.suffix in _TYPES]
    gate = [Middleware(HostGuard, hosts=hosts), Middleware(GZipMiddleware, compresslevel=5)]
    return Starlette(routes=[Route("/", page), Route("/metrics", metrics), *files], middleware=gate)


def server(view: View, host: str, port: int) -> uvicorn.Server:
    """A quiet server that is not yet running; it needs no thread of its own."""
    settings = uvicorn.Config(
        make_app(view, [host]),
        host=host,
        port=port,
        http=BoundedProtocol,
        log_level="error",  # a line for each request that is none would be the sender's to write
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        limit_concurrency=MOST + 2,  # never reached by connections that only wait
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(settings)


def serve(view: View, host: str, port: int) -> None:
    """Serve the page until SIGTERM or SIGINT; the process does nothing else."""
    server(view, host, port).run()


def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(FILES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _visible(printed: object) -> object:
    """Foreign names as on a terminal: what would act or hide is spelled out."""
    return visible_lines(printed) if type(printed) is str else printed


def _file(path: Path) -> Route:
    body, media_type = path.read_bytes(), _TYPES[path.suffix]

    def send(request: Request) -> Response:
        return Response(body, media_type=media_type)

    return Route(f"/{path.name}", send)
