"""An ASCII instrument on a pseudo terminal: answers commands from a table, or streams; with faults.

Knows nothing of the code of this package, so that it is a second opinion: what it says is written
out by whoever uses it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edaphon_drivers.simulators.plugged import Faulty, PluggedPort

FAULTS = ("silent", "garbled", "late", "doubled", "cut", "noise")

Answer = bytes | Callable[[], bytes]


@dataclass(slots=True)
class Instrument(Faulty):
    """What the instrument answers to each command, and the lines that it sends by itself.

    A command ends with `command_end`; one that is not in `answers` gets `unknown`. `lines` are
    sent every `period_s`, from `starts_with` on if that is a command.
    """

    FAULTS = FAULTS

    answers: Mapping[bytes, Answer] = field(default_factory=dict)
    command_end: bytes = b"\r"
    unknown: bytes = b""
    lines: Iterator[bytes] = field(default_factory=lambda: iter(()))
    period_s: float = 1.0
    starts_with: bytes = b""
    echo: bool = False

    def answer(self, command: bytes) -> bytes:
        answer = self.answers.get(command, self.unknown)
        return answer() if callable(answer) else answer


class SimulatedPort(PluggedPort):
    """The instrument behind a port; with `link`, that path points to it after each replug too."""

    def __init__(self, instrument: Instrument, link: Path | None = None) -> None:
        self.instrument = instrument
        super().__init__("ascii-simulator", link)
        self._next_line = 0.0 if not instrument.starts_with else float("inf")

    def _serve(self) -> None:
        buffer = b""
        while not self._stopping.is_set():
            buffer += self._received(0.01)
            *commands, buffer = buffer.split(self.instrument.command_end)
            for command in commands:
                self._asked(command)
            self._stream()
            self._send_due()

    def _asked(self, command: bytes) -> None:
        instrument = self.instrument
        instrument.asked.append(command)
        if instrument.echo:
            self._outbox.put(command + instrument.command_end)
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
        instrument = self.instrument
        self._outbox.reply(data, instrument.next_fault(data), instrument.late_s)


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
