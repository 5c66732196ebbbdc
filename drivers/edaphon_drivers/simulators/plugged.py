"""What is plugged into a machine, simulated: a port on a pty, and 1-Wire sensors as files."""

import heapq
import os
import random
import select
import shutil
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

_MOST_BYTES = 4096


@runtime_checkable
class Pluggable(Protocol):
    """A simulated line whose adapter can be pulled out and plugged in again."""

    def unplug(self) -> None: ...
    def replug(self) -> object: ...


@dataclass(slots=True, kw_only=True)
class Faulty:
    """What fails on demand. `late_s` is how long a late answer takes; `asked` is what came."""

    FAULTS: ClassVar[Sequence[str]] = ()

    late_s: float = 0.1
    asked: list[Any] = field(default_factory=list)
    _queued: deque[str] = field(default_factory=deque)

    def fail(self, fault: str, times: int = 1) -> None:
        """The next `times` answers meet that fault; raises ValueError for one that is not known."""
        if fault not in self.FAULTS:
            raise ValueError(f"expected one of {', '.join(self.FAULTS)}, got {fault!r}")
        self._queued.extend([fault] * times)

    def next_fault(self, asked: object) -> str | None:
        return self._queued.popleft() if self._queued else None


@dataclass(slots=True, kw_only=True)
class FaultyByCommand(Faulty):
    """`fault` names the fault of a command, or None; those queued by `fail` come first."""

    fault: Callable[[Any], str | None] = lambda asked: None

    def next_fault(self, asked: object) -> str | None:
        return self._queued.popleft() if self._queued else self.fault(asked)


class Outbox:
    """Bytes that go out at their time, after what faults have made of them.

    The last `end` bytes of an answer are never garbled; noise is of bytes from `noise` on.
    """

    def __init__(self, end: int = 2, noise: int = 128) -> None:
        self.items: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._end, self._noise = end, noise
        self._random = random.Random(12)  # noqa: S311  repeatable noise

    def put(self, data: bytes, at: float = 0.0) -> None:
        """To be sent at that time of the monotonic clock; 0: now."""
        self._count += 1
        heapq.heappush(self.items, (at, self._count, data))

    def reply(self, answer: bytes, fault: str | None, late_s: float) -> None:
        """An answer, by the fault that it meets."""
        if fault == "silent":
            return
        answer = self._spoilt(answer, fault)
        self.put(answer, time.monotonic() + late_s if fault == "late" else 0.0)
        if fault == "doubled":
            self.put(answer, time.monotonic() + 0.002)

    def due(self) -> bytes:
        sent = b""
        while self.items and self.items[0][0] <= time.monotonic():
            sent += heapq.heappop(self.items)[2]
        return sent

    def wait_s(self, most_s: float) -> float:
        """Until something is due [s]."""
        due_s = self.items[0][0] - time.monotonic() if self.items else most_s
        return min(max(due_s, 0.0), most_s)

    def _spoilt(self, answer: bytes, fault: str | None) -> bytes:
        if fault == "garbled":
            at = self._random.randrange(max(1, len(answer) - self._end))
            return answer[:at] + bytes([answer[at] ^ 0x80]) + answer[at + 1 :]
        if fault == "cut":
            return answer[: self._random.randrange(1, max(2, len(answer) - 1))]
        if fault == "noise":
            return bytes(self._random.randrange(self._noise, 256) for _ in range(5)) + answer
        return answer


class PluggedPort:
    """`_serve` runs in a thread from `start` until `_stopping` is set.

    With `link`, that path always points to the port, whatever it is called after a replug.
    """

    def __init__(self, name: str, link: Path | None = None, outbox: Outbox | None = None) -> None:
        self._link = link
        self._outbox = outbox or Outbox()
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

    def _received(self, most_s: float = 0.02) -> bytes:
        """What comes until something is due; nothing waits any more while the adapter is out."""
        came = self._read(self._outbox.wait_s(most_s))
        if came is None:
            self._outbox.items.clear()
        return came or b""

    def _send_due(self) -> None:
        data = self._outbox.due()
        with self._lock:
            if data and self._pair is not None:
                os.write(self._pair[0], data)


def _points_to(link: Path, port: str) -> bool:
    """Whether the link is still that of this port, not of another simulator's."""
    try:
        return os.readlink(link) == port
    except OSError:
        return False


W1_FAULTS = ("garbled", "no", "power on", "cut", "zeros", "edited")


class SimulatedThermometers:
    """`show` writes what the next reads find, until it is called again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def show(self, identity: str, celsius: float, bits: int = 12, fault: str = "") -> None:
        """A thermometer at that temperature [degC]; DS18S20 for family 10, else DS18B20."""
        if fault and fault not in W1_FAULTS:
            raise ValueError(f"expected one of {', '.join(W1_FAULTS)}, got {fault!r}")
        warm = 85.0 if fault == "power on" else celsius
        half = identity.startswith("10-")
        pad = _half_degrees(warm) if half else _sixteenths(warm, bits)
        if fault == "power on":
            pad[6] = 0x0C
        if fault == "zeros":
            pad = [0] * 8
        device = self.folder / identity
        device.mkdir(exist_ok=True)
        (device / "w1_slave").write_bytes(_file([*pad, _crc(pad)], celsius, fault))

    def remove(self, identity: str) -> None:
        """The thermometer is pulled off the bus."""
        shutil.rmtree(self.folder / identity, ignore_errors=True)

    def unplug(self) -> None:
        """The whole bus master is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _sixteenths(celsius: float, bits: int) -> list[int]:
    raw = int(celsius * 16 // 1) & 0xFFFF
    low, high = raw & 255, raw >> 8
    return [low, high, 0x4B, 0x46, (bits - 9) * 32 + 31, 255, 16 - raw % 16, 0x10]


def _half_degrees(celsius: float) -> list[int]:
    """Whole degrees in half steps; counters 16 per degree, offset by a quarter."""
    shifted = celsius + 0.25
    whole = int(shifted // 1)
    remain = 16 - round((shifted - whole) * 16)
    raw = (whole * 2) & 0xFFFF
    return [raw & 255, raw >> 8, 0x4B, 0x46, 255, 255, remain, 16]


def _file(pad: list[int], celsius: float, fault: str) -> bytes:
    shown = "".join(f"{byte:02x} " for byte in pad)
    kept, verdict = shown, "YES"
    if fault == "no":
        shown, verdict = "ff " * 9, "NO"
    if fault == "garbled":
        shown = kept = f"{pad[0] ^ 1:02x}{shown[2:]}"
    millis = int(_celsius(pad) * 1000) + (500 if fault == "edited" else 0)
    crc = 0xC9 if fault == "no" else pad[8]
    text = f"{shown}: crc={crc:02x} {verdict}\n{kept}t={millis}\n"
    return text[: len(text) // 2 if fault == "cut" else None].encode()


def _celsius(pad: list[int]) -> float:
    raw = pad[0] + pad[1] * 256
    signed = raw - 65536 if raw > 32767 else raw
    if pad[4] == 255:
        return signed // 2 - 0.25 + (pad[7] - pad[6]) / pad[7]
    return signed / 16


def _crc(pad: list[int]) -> int:
    """x^8 + x^5 + x^4 + 1, bit by bit, least significant first."""
    crc = 0
    for byte in pad:
        for bit in range(8):
            mix = (crc ^ byte >> bit) & 1
            crc >>= 1
            if mix:
                crc ^= 0b10001100
    return crc
