"""Processes in which makers' codecs run, one for each: begun when needed, killed at a limit.

A codec can keep a native call of the engine busy for ever, or break the engine. Its process holds
nothing but the codec itself, and may do nothing but answer. `pool` serves every thread.
"""

import atexit
import os
import queue
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from edaphon_drivers import codec_child as child

CALL_S = 10.0  # more than its CPU, on the wall: of a process that sleeps, or gets no CPU
READY_S = 60.0  # until a new process is ready, on a machine that boots
LONGEST_ANSWER_BYTES = 1 << 20
CALLS = 20_000  # of one process: what an engine fails to free must not become a refusal
_CHILD = Path(child.__file__).absolute()
_MOST_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True)
class Script:
    """A codec's text, the JavaScript around it, and what a call of it may use.

    `native_s`: CPU after which the kernel ends a call that the engine itself did not end.
    """

    frame: str
    text: str
    cpu_s: float
    memory_bytes: int
    stack_bytes: int

    @property
    def native_s(self) -> float:
        return 2 * self.cpu_s + 0.1


@dataclass(frozen=True, slots=True)
class CodecAnswer:
    """`kind` is one of codec_child's: it answered, it threw, its memory was not enough."""

    kind: bytes
    text: str


class Stopped(Exception):
    """The process ended, or was killed, before it answered; `by_others`: for no act of its own."""

    def __init__(self, why: str, by_others: bool = False) -> None:
        self.why, self.by_others = why, by_others
        super().__init__(why)


class Overrun(Stopped):
    """It used more CPU than a call may."""


def engine_folder() -> str | None:
    """Where the engine is installed, which is not loaded here; None where it is not."""
    spec = find_spec("_quickjs")
    return str(Path(spec.origin).absolute().parent) if spec is not None and spec.origin else None


def start(folder: str) -> "subprocess.Popen[bytes]":
    """The process without a codec; it ends with the thread that calls this. Raises OSError."""
    return subprocess.Popen(  # noqa: S603  our own file, no word of others in its arguments
        [sys.executable, "-I", "-S", "-B", str(_CHILD), folder, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env={"TZ": "UTC0"},  # the zone of the machine would be in a codec's dates
        cwd="/",
        umask=0o777,
        start_new_session=True,
    )


class CodecProcess:
    """One codec in one process; calls come one at a time. Raises Stopped, and is of no use then."""

    def __init__(self, process: "subprocess.Popen[bytes]", script: Script) -> None:
        self._process, self._script, self._calls = process, script, 0
        self._pipes = cast("tuple[IO[bytes], IO[bytes]]", (process.stdin, process.stdout))
        self._in, self._out = (pipe.fileno() for pipe in self._pipes)
        os.set_blocking(self._in, False)
        frame, text = script.frame.encode(), script.text.encode()
        limits = script.cpu_s, script.native_s, script.memory_bytes, script.stack_bytes
        self._exchange(
            child.SETTINGS.pack(*limits, len(frame), len(text)) + frame + text, 0, READY_S
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def serves(self) -> bool:
        """Whether it is there, and has not answered so often that another one is due."""
        return self._process.poll() is None and self._calls < CALLS

    def call(self, data: bytes, port: int, now_ms: float) -> CodecAnswer:
        """What the codec makes of an uplink; `now_ms` is its only clock."""
        self._calls += 1
        request = child.CALL.pack(self._calls, port, now_ms) + data
        return self._exchange(request, self._calls, self._script.native_s + CALL_S)

    def kill(self) -> None:
        """May be called by any thread; the one that calls it has its answer at once."""
        self._process.kill()

    def end(self) -> None:
        """Killed and reaped, whatever it does."""
        self.kill()
        self._process.wait()
        for pipe in self._pipes:
            pipe.close()

    def _exchange(self, request: bytes, number: int, within_s: float) -> CodecAnswer:
        end_s = time.monotonic() + within_s
        try:
            self._send(child.HEAD.pack(len(request)) + request, end_s)
            (length,) = child.HEAD.unpack(self._receive(child.HEAD.size, end_s))
            if not child.ANSWER.size <= length <= LONGEST_ANSWER_BYTES:
                raise ValueError(f"{length} bytes of answer")
            body = self._receive(length, end_s)
            answered, kind = child.ANSWER.unpack_from(body)
            if answered != number or kind not in {child.ANSWERED, child.THREW, child.MEMORY}:
                raise ValueError("an answer to another call")
            return CodecAnswer(kind, body[child.ANSWER.size :].decode())
        except TimeoutError:
            self.end()
            raise Stopped(f"no answer within {within_s:.0f} s") from None
        except (OSError, EOFError):
            raise self._death() from None
        except (ValueError, struct.error) as error:
            self.end()
            raise Stopped(f"its process answered wrongly: {error}") from None

    def _death(self) -> Stopped:
        """Why the process closed its pipes."""
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            code = 0
        self.end()
        if code == -signal.SIGPROF:
            return Overrun(f"more than {self._script.native_s:g} s of CPU")
        if code >= 0:
            return Stopped(f"its process ended with code {code}")
        words = f"its process ended with {signal.Signals(-code).name}"
        return Stopped(words, by_others=code in {-signal.SIGKILL, -signal.SIGTERM})

    def _send(self, data: bytes, end_s: float) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(self._in, select.POLLOUT, end_s)
            try:
                rest = rest[os.write(self._in, rest[:_MOST_AT_ONCE]) :]
            except BlockingIOError:
                continue

    def _receive(self, count: int, end_s: float) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self._wait(self._out, select.POLLIN, end_s)
            part = os.read(self._out, min(count - len(parts), _MOST_AT_ONCE))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    @staticmethod
    def _wait(pipe: int, event: int, end_s: float) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        if not poll.poll(max(0.0, end_s - time.monotonic()) * 1000):
            raise TimeoutError


MOST = 8  # processes that wait for an uplink; each takes some 7 MB of its own
IDLE_S = 600.0
CLOSE_S = 1.0
AGAIN_S = (0.0, 1.0)  # waits before a call is tried again
_Started = Future["subprocess.Popen[bytes]"]


class _CodecPlace:
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
        self._places: OrderedDict[Script, _CodecPlace] = OrderedDict()
        self._starts: queue.SimpleQueue[tuple[str, _Started]] = queue.SimpleQueue()
        self._keeper: threading.Thread | None = None
        self._closed = False

    def call(
        self, folder: str, script: Script, data: bytes, port: int, now_ms: float
    ) -> CodecAnswer:
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
        self, place: _CodecPlace, folder: str, script: Script, uplink: tuple[bytes, int, float]
    ) -> CodecAnswer:
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
    def _held(self, script: Script) -> Iterator[_CodecPlace]:
        with self._lock:
            place = self._places.setdefault(script, _CodecPlace())
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

    def _surplus(self, most: int, before_s: float) -> list[_CodecPlace]:
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
    def _end(places: list[_CodecPlace]) -> None:
        for place in places:
            with place.lock:
                place.end()


pool = Pool()
