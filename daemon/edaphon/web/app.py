"""The page and its metrics as an ASGI application and as a server process."""

import time
from collections.abc import Callable, Collection
from pathlib import Path

import uvicorn
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from edaphon.printer import visible_lines
from edaphon.web.guard import Guard
from edaphon.web.line import HEIGHT, WIDTH
from edaphon.web.metrics import MEDIA_TYPE, silent_text, status_text
from edaphon.web.page import make_page
from edaphon.web.peers import MOST, BoundedProtocol
from edaphon.web.view import Silent, View
from edaphon.web.watch import Watch

__all__ = ["make_app", "serve", "server"]

FILES = Path(__file__).parent / "files"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def make_app(
    view: View, hosts: Collection[str], now_ns: Callable[[], int] = time.time_ns
) -> Starlette:
    """`hosts` are the names, beside those of the loopback, under which the page answers."""
    watch = Watch(view, now_ns)
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
    gate = [Middleware(Guard, hosts=hosts), Middleware(GZipMiddleware, compresslevel=5)]
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
