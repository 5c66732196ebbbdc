"""The page's real server in a thread of the test, on a free loopback port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.daemon.web.plot import answer
from tests.programs import free_port, wait_until

from edaphon.web import ControlView, server


@contextmanager
def served(view) -> Iterator[int]:
    """The port at which the view can be seen."""
    port = free_port()
    page = server(view, "127.0.0.1", port)
    thread = threading.Thread(target=page.run)
    thread.start()
    try:
        wait_until(lambda: page.started or not thread.is_alive(), "the page's server")
        yield port
    finally:
        page.should_exit = True
        thread.join()


def sample_view() -> ControlView:
    return ControlView(answer)
