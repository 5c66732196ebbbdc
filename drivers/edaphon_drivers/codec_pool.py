"""The processes of codecs that run now, for every thread: begun when needed, ended when idle."""

import atexit
import queue
import subprocess
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from edaphon_drivers.codec_process import Answer, CodecProcess, Script, Stopped, start

MOST = 8  # processes that wait for an uplink; each takes some 7 MB of its own
IDLE_S = 600.0
CLOSE_S = 1.0
AGAIN_S = (0.0, 1.0)  # waits before a call is tried again
_Started = Future["subprocess.Popen[bytes]"]


class _Place:
    """Of one codec: its process, if it has one. `users` and `since_s` belong to the pool's lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: CodecProcess | None = None
        self.users = 0
        self.since_s = 0.0

    def end(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.end()


class Pool:
    """At most `most` idle processes; those whose codec was not asked for longest are ended."""

    def __init__(self, most: int = MOST, idle_s: float = IDLE_S) -> None:
        self._most, self._idle_s = most, idle_s
        self._lock = threading.Lock()
        self._places: OrderedDict[Script, _Place] = OrderedDict()
        self._starts: queue.SimpleQueue[tuple[str, _Started]] = queue.SimpleQueue()
        self._keeper: threading.Thread | None = None
        self._closed = False

    def call(self, folder: str, script: Script, data: bytes, port: int, now_ms: float) -> Answer:
        """The answer of the codec in a process of its own; raises Stopped, and the next call runs.

        A process that others ended (the kernel out of memory), or that could not start, is tried
        again: an uplink is not refused for what its codec did not do. For the same reason the
        thread of a call that `close` ended goes no further.
        """
        with self._held(script) as place:
            for wait_s in AGAIN_S:
                try:
                    return self._once(place, folder, script, (data, port, now_ms))
                except Stopped as stopped:
                    if not stopped.by_others:
                        raise
                time.sleep(wait_s)
            return self._once(place, folder, script, (data, port, now_ms))

    def processes(self) -> list[int]:
        """The numbers of those that run now."""
        with self._lock:
            found = [place.process for place in self._places.values()]
        return [process.pid for process in found if process is not None]

    def close(self) -> None:
        """Ends all of them, also in the middle of a call; none begins any more."""
        with self._lock:
            self._closed, places = True, list(self._places.values())
        for place in places:
            if (process := place.process) is not None:
                process.kill()
        for place in places:
            if place.lock.acquire(timeout=CLOSE_S):  # else it is just beginning, and ends with us
                place.end()
                place.lock.release()

    def _once(
        self, place: _Place, folder: str, script: Script, uplink: tuple[bytes, int, float]
    ) -> Answer:
        if place.process is not None and not place.process.serves():
            place.end()
        try:
            if place.process is None:
                place.process = CodecProcess(self._begun(folder), script)
            return place.process.call(*uplink)
        except BaseException:
            place.end()
            if self._closed:
                raise SystemExit from None
            raise

    def _begun(self, folder: str) -> "subprocess.Popen[bytes]":
        """Begun by the keeper, since a process ends with the thread that began it."""
        with self._lock:
            if self._closed:
                raise SystemExit
            if self._keeper is None or not self._keeper.is_alive():
                self._keeper = threading.Thread(target=self._keep, name="codecs", daemon=True)
                self._keeper.start()
                atexit.register(self.close)
        begun: _Started = Future()
        self._starts.put((folder, begun))
        try:
            return begun.result()
        except OSError as error:
            raise Stopped(f"no process for it could begin ({error})", by_others=True) from None

    def _keep(self) -> None:
        while True:
            with suppress(queue.Empty):
                self._serve(*self._starts.get(timeout=self._idle_s / 4))
            self._end(self._surplus(self._most, time.monotonic() - self._idle_s))

    @staticmethod
    def _serve(folder: str, begun: _Started) -> None:
        try:
            begun.set_result(start(folder))
        except OSError as error:
            begun.set_exception(error)
        except BaseException as error:  # the thread that waits for it is to know
            begun.set_exception(error)
            raise

    @contextmanager
    def _held(self, script: Script) -> Iterator[_Place]:
        with self._lock:
            place = self._places.setdefault(script, _Place())
            self._places.move_to_end(script)
            place.users += 1
        self._end(self._surplus(self._most, 0.0))
        try:
            with place.lock:
                yield place
        finally:
            with self._lock:
                place.users -= 1
                place.since_s = time.monotonic()

    def _surplus(self, most: int, before_s: float) -> list[_Place]:
        """Removes and returns places that nobody uses: too many of them, or idle since before."""
        with self._lock:
            idle = [key for key, place in self._places.items() if not place.users]
            too_many = len(self._places) - most
            gone = [
                key
                for n, key in enumerate(idle)
                if n < too_many or self._places[key].since_s < before_s
            ]
            return [self._places.pop(key) for key in gone]

    @staticmethod
    def _end(places: list[_Place]) -> None:
        for place in places:
            with place.lock:
                place.end()


pool = Pool()
