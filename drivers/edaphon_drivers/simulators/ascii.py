"""An ASCII instrument on a pseudo terminal: answers commands from a table, or streams; with faults.

Knows nothing of the code of this package, so that it is a second opinion: what it says is written
out by whoever uses it.
"""

import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edaphon_drivers.simulators.plugged import PluggedPort, repeated

FAULTS = ("silent", "garbled", "late", "doubled", "cut", "noise")

Answer = bytes | Callable[[], bytes]


@dataclass(slots=True)
class Instrument:
    """What the instrument answers to each command, and the lines that it sends by itself.

    A command ends with `command_end`; one that is not in `answers` gets `unknown`. `lines` are
    sent every `period_s`, from `starts_with` on if that is a command. `late_s` is how long a late
    answer takes. `asked` collects the commands that came.
    """

    answers: Mapping[bytes, Answer] = field(default_factory=dict)
    command_end: bytes = b"\r"
    unknown: bytes = b""
    lines: Iterator[bytes] = field(default_factory=lambda: iter(()))
    period_s: float = 1.0
    starts_with: bytes = b""
    echo: bool = False
    late_s: float = 0.1
    asked: list[bytes] = field(default_factory=list)
    _queued: deque[str] = field(default_factory=deque)

    def fail(self, fault: str, times: int = 1) -> None:
        """The next `times` answers or lines meet that fault."""
        self._queued.extend(repeated(fault, times, FAULTS))

    def next_fault(self) -> str:
        return self._queued.popleft() if self._queued else ""

    def answer(self, command: bytes) -> bytes:
        answer = self.answers.get(command, self.unknown)
        return answer() if callable(answer) else answer


class SimulatedPort(PluggedPort):
    """The instrument behind a port; with `link`, that path points to it after each replug too."""

    def __init__(self, instrument: Instrument, link: Path | None = None) -> None:
        self.instrument = instrument
        super().__init__("ascii-simulator", link)
        self._random = random.Random(7)  # noqa: S311  repeatable noise
        self._later: list[tuple[float, bytes]] = []
        self._next_line = 0.0 if not instrument.starts_with else float("inf")

    def _serve(self) -> None:
        buffer = b""
        while not self._stopping.is_set():
            buffer += self._received()
            *commands, buffer = buffer.split(self.instrument.command_end)
            for command in commands:
                self._asked(command)
            self._stream()
            self._send_due()

    def _received(self) -> bytes:
        came = self._read(0.01)
        if came is None:
            self._later.clear()
        return came or b""

    def _asked(self, command: bytes) -> None:
        instrument = self.instrument
        instrument.asked.append(command)
        if instrument.echo:
            self._send(command + instrument.command_end, 0.0)
        if instrument.starts_with and command == instrument.starts_with:
            self._next_line = 0.0
        answer = instrument.answer(command)
        if answer:
            self._spoil(answer)

    def _stream(self) -> None:
        now = time.monotonic()
        if now < self._next_line:
            return
        line = next(self.instrument.lines, None)
        self._next_line = float("inf") if line is None else now + self.instrument.period_s
        if line is not None:
            self._spoil(line)

    def _spoil(self, data: bytes) -> None:
        fault = self.instrument.next_fault()
        if fault == "silent":
            return
        if fault == "garbled":
            at = self._random.randrange(max(1, len(data) - 2))
            data = data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :]
        elif fault == "cut":
            data = data[: self._random.randrange(1, max(2, len(data) - 1))]
        elif fault == "noise":
            data = bytes(self._random.randrange(128, 256) for _ in range(5)) + data
        self._send(data, self.instrument.late_s if fault == "late" else 0.0)
        if fault == "doubled":
            self._send(data, 0.0)

    def _send(self, data: bytes, delay_s: float) -> None:
        self._later.append((time.monotonic() + delay_s, data))

    def _send_due(self) -> None:
        now = time.monotonic()
        due = [data for at, data in self._later if at <= now]
        self._later = [(at, data) for at, data in self._later if at > now]
        with self._lock:
            for data in due:
                if self._pair is not None:
                    os.write(self._pair[0], data)


def vaisala_cs4(text: str) -> bytes:
    """The line with the low byte of its sum in hexadecimal behind it."""
    line = text.encode("ascii") + b" "
    total = 0
    for byte in line:
        total = (total + byte) & 0xFF
    return line + format(total, "02X").encode() + b"\r\n"


def licor_7810_line(
    seconds: int, index: int, co2: float, ch4: float, diagnostics: int = 0
) -> bytes:
    """A record of an LI-7810 [s, ppm, ppb] whose other columns are those of one real record."""
    clock = time.strftime("%Y-%m-%d\t%H:%M:%S", time.gmtime(seconds))
    body = (
        f'DATA\t{seconds}\t313442945\t{index}\t{diagnostics}\t""\t{clock}\t12500.346'
        f"\t{co2:.8g}\t{ch4:.8g}\t39.6316\t55.0003\t31.265\t37.8524\t0.00233458\t10.9623"
        "\t54.4998\t646.75\t0.45345\t14.6852\t"
    )
    total = 0
    for byte in body.encode("ascii"):
        total = (total + byte) % 256
    return f"{body}{total:3d}\n".encode("ascii")
