"""A simulated adapter: a port on a pty that can be pulled out and plugged in again."""

import os
import select
import threading
import tty
from collections.abc import Sequence
from pathlib import Path

_MOST_BYTES = 4096


class PluggedPort:
    """`_serve` runs in a thread from `start` until `_stopping` is set.

    With `link`, that path always points to the port, whatever it is called after a replug.
    """

    def __init__(self, name: str, link: Path | None = None) -> None:
        self._link = link
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._pair: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self) -> str:
        """The path of the port."""
        path = self.replug()
        self._thread.start()
        return path

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.unplug()

    def unplug(self) -> None:
        """The adapter is pulled out: whoever has the port open gets an error."""
        with self._lock:
            pair, self._pair = self._pair, None
        if self._link and pair and _points_to(self._link, os.ttyname(pair[1])):
            self._link.unlink(missing_ok=True)
        for end in pair or ():
            os.close(end)

    def replug(self) -> str:
        """The adapter is plugged in again, as a port that may have another name; its path."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)  # the own end stays open, so that a client may come and go
        with self._lock:
            self._pair = (ours, theirs)
        path = os.ttyname(theirs)
        if not self._link:
            return path
        fresh = self._link.with_suffix(".new")
        fresh.symlink_to(path)
        fresh.replace(self._link)
        return str(self._link)

    def _serve(self) -> None:
        raise NotImplementedError

    def _read(self, wait_s: float) -> bytes | None:
        """What comes within `wait_s` [s]; None while the adapter is pulled out."""
        with self._lock:
            pair = self._pair
        if pair is None:
            self._stopping.wait(0.01)
            return None
        try:
            if select.select([pair[0]], [], [], wait_s)[0]:
                return os.read(pair[0], _MOST_BYTES)
        except (OSError, ValueError):  # unplugged meanwhile
            return b""
        return b""


def repeated(fault: str, times: int, known: Sequence[str]) -> list[str]:
    """A fault for each of the next answers; raises ValueError for one that is not known."""
    if fault not in known:
        raise ValueError(f"expected one of {', '.join(known)}, got {fault!r}")
    return [fault] * times


def _points_to(link: Path, port: str) -> bool:
    """Whether the link is still that of this port, not of another simulator's."""
    try:
        return os.readlink(link) == port
    except OSError:
        return False
