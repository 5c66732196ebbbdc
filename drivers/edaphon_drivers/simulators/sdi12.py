"""SDI-12 probes behind a transparent USB adapter, on a pseudo terminal; faults on demand.

Written from the specification v1.4 without the code of this package, so that it is a second
opinion. Commands like b"0M!" come in and answers with CR LF go out; breaks can't be seen here.
"""

import heapq
import re
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edaphon_drivers.simulators.plugged import FaultyByCommand, PluggedPort

FAULTS = ("silent", "garbled", "late", "doubled", "residue", "noise", "abort", "cut")

Values = Sequence[float | str]

# Letters of the struct module for the data types 1..10 of high-volume packets.
_TYPES = " bBhHiIqQfd"


def _crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 * (crc & 1))
    return crc


def _with_crc(line: bytes, wanted: object = True) -> bytes:
    if not wanted:
        return line
    crc = _crc(line)
    return line + bytes([0x40 + (crc >> 12), 0x40 + ((crc >> 6) & 63), 0x40 + (crc & 63)])


def _packet(address: str, kind: int, numbers: Sequence[float]) -> bytes:
    data = b""
    for number in numbers:
        value = number if kind > 8 else int(number)
        data += struct.pack("<" + _TYPES[kind], value)
    head = address.encode() + len(data).to_bytes(2, "little") + bytes([kind]) + data
    return head + _crc(head).to_bytes(2, "little")


@dataclass(slots=True)
class Probe(FaultyByCommand):
    """One probe. `values` answer M and C, `more` answer M1..M9 by number; each is asked anew.

    A number goes out with up to 7 digits, a text as it is. `seconds` is announced and, scaled by
    the bus, taken. `per_answer` limits the values of one answer, besides the 35 or 75 characters.
    What is asked are commands.

    `at_once` answers R0..R9, `high` HA, `packets` HB (data type and numbers of each), `checks` V,
    `described` metadata (the fields of each value by command, "M1": ["TS,degC"]), `extended` a
    maker's own command with one line or several.
    """

    FAULTS = FAULTS

    address: str
    identity: str
    values: Values | Callable[[], Values]
    seconds: int = 1
    service_request: bool = True
    more: Mapping[int, Values | Callable[[], Values]] = field(default_factory=dict)
    per_answer: int = 99
    at_once: Mapping[int, Values | Callable[[], Values]] = field(default_factory=dict)
    high: Values | Callable[[], Values] = ()
    packets: Sequence[tuple[int, Sequence[float]]] = ()
    checks: Values = ()
    described: Mapping[str, Sequence[str]] = field(default_factory=dict)
    extended: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Measuring:
    """A measurement that runs or is done: the groups of values that D0, D1.. give."""

    groups: list[bytes]
    crc: bool
    ready_at: float
    concurrent: bool
    aborted: bool = False


class SimulatedBus(PluggedPort):
    """Probes on one line. `second_s` is how long an announced second takes here [s].

    With `link`, that path always points to the port, whatever it is called after a replug.
    """

    def __init__(
        self, probes: Sequence[Probe], second_s: float = 1.0, link: Path | None = None
    ) -> None:
        super().__init__("sdi12-simulator", link)
        self.probes = {probe.address: probe for probe in probes}
        self.second_s = second_s
        self._measuring: dict[str, _Measuring] = {}

    def _serve(self) -> None:
        buffer = b""
        while not self._stopping.is_set():
            buffer += self._received()
            if self._pair is None:
                self._measuring.clear()
            *commands, buffer = buffer.split(b"!")
            for command in commands:
                self._answer(command.decode("ascii", "replace").strip())
            self._send_due()

    def _answer(self, command: str) -> None:
        address, kind = command[:1], command[1:]
        self._break(address)
        probe = self.probes.get(address)
        if address == "?" and len(self.probes) == 1:
            probe = next(iter(self.probes.values()))
        if probe is None:
            return
        probe.asked.append(command)
        fault = probe.next_fault(command)
        answer = self._spoken(probe, kind, fault)
        if answer is not None:
            if fault == "residue" and command[1:2] == "D":
                answer = probe.address.encode() + b"\r\n" + answer
            self._outbox.reply(answer, fault, probe.late_s)

    def _break(self, address: str) -> None:
        """A command wakes all probes: it ends a running M of any, and a running C of its own."""
        now = time.monotonic()
        for owner, running in self._measuring.items():
            hit = owner == address or not running.concurrent
            if hit and running.ready_at > now:
                running.aborted = True
        items = self._outbox.items
        items[:] = [item for item in items if item[2][1:] != b"\r\n" or item[0] <= now]
        heapq.heapify(items)

    def _spoken(self, probe: Probe, kind: str, fault: str | None) -> bytes | None:
        """The whole answer; None for what a probe does not answer."""
        if re.fullmatch(r"DB[0-9]{1,3}", kind):
            return self._data(probe, int(kind[2:]), fault)
        line = self._line(probe, kind, fault)
        if line is None or line.endswith(b"\x03"):
            return line
        return line + b"\r\n"

    def _line(self, probe: Probe, kind: str, fault: str | None) -> bytes | None:
        if kind == "":
            return probe.address.encode()
        if kind == "I":
            return f"{probe.address}{probe.identity}".encode()
        if re.fullmatch(r"A[0-9A-Za-z]", kind):
            return self._moved(probe, kind[1])
        if re.fullmatch(r"D[0-9]{1,3}", kind):
            return self._data(probe, int(kind[1:]), fault)
        if re.fullmatch(r"[MC]C?[1-9]?|V|H[AB]", kind):
            return self._started(probe, kind, fault)
        if re.fullmatch(r"RC?[0-9]", kind):
            return _with_crc(_at_once(probe, int(kind[-1])), "C" in kind)
        if kind in probe.extended:
            return _text(probe, probe.extended[kind])
        return _described(probe, kind) if kind[:1] == "I" else None

    def _moved(self, probe: Probe, address: str) -> bytes:
        del self.probes[probe.address]
        self._measuring.pop(probe.address, None)
        probe.address = address
        self.probes[address] = probe
        return address.encode()

    def _started(self, probe: Probe, kind: str, fault: str | None) -> bytes:
        concurrent = kind[0] in "CH"
        groups, count = _measured(probe, kind)
        takes_s = probe.seconds * self.second_s if count else 0.0
        ready_at = time.monotonic() + takes_s
        crc = kind[1:2] == "C" or kind == "HA"
        self._measuring[probe.address] = _Measuring(groups, crc, ready_at, concurrent)
        seconds = probe.seconds if count else 0
        mute = fault in {"residue", "silent"}  # a service request is an answer too
        requests = probe.service_request and not concurrent and seconds and not mute
        if requests:
            self._outbox.put(f"{probe.address}\r\n".encode(), ready_at)
        return _start(probe, kind, seconds, count)

    def _data(self, probe: Probe, number: int, fault: str | None) -> bytes:
        running = self._measuring.get(probe.address)
        if fault == "abort" and running:
            running.aborted = True
        values = b""
        if running and not running.aborted and number < len(running.groups):
            values = running.groups[number]
        if probe.asked[-1][1:3] == "DB":
            return values or _packet(probe.address, 0, ())
        line = probe.address.encode() + values
        return _with_crc(line, running and running.crc)


def _measured(probe: Probe, kind: str) -> tuple[list[bytes], int]:
    """The groups that D0, D1.. give, and how many values they are together."""
    if kind == "HB":
        packets = [_packet(probe.address, *packet) for packet in probe.packets]
        return packets, sum(len(numbers) for _, numbers in probe.packets)
    if kind in {"V", "HA"}:
        values = probe.checks if kind == "V" else probe.high
    else:
        number = kind.lstrip("MC")
        values = probe.more.get(int(number), ()) if number else probe.values
    texts = [_printed(value) for value in (values() if callable(values) else values)]
    most = 75 if kind[0] in "CH" else 35
    return _groups(texts, most, probe.per_answer), len(texts)


def _start(probe: Probe, kind: str, seconds: int, count: int) -> bytes:
    width = {"C": 2, "H": 3}.get(kind[0], 1)
    return f"{probe.address}{seconds:03d}{count:0{width}d}".encode()


def _at_once(probe: Probe, number: int) -> bytes:
    values = probe.at_once.get(number, ())
    texts = [_printed(value) for value in (values() if callable(values) else values)]
    return probe.address.encode() + b"".join(texts)


def _described(probe: Probe, kind: str) -> bytes | None:
    """Metadata: what the command would promise, or the fields of one of its values."""
    command, _, number = kind[1:].partition("_")
    if command not in probe.described:
        return None
    fields = probe.described[command]
    if not number:
        return _start(probe, command, probe.seconds if fields else 0, len(fields))
    known = number.isdigit() and 1 <= int(number) <= len(fields)
    line = probe.address + (f",{fields[int(number) - 1]};" if known else "")
    return _with_crc(line.encode(), command[1:2] == "C" or command[0] == "H")


def _text(probe: Probe, lines: str | Sequence[str]) -> bytes:
    """One line, or several between STX and ETX; of one line the caller adds the end."""
    if isinstance(lines, str):
        return f"{probe.address}{lines}".encode()
    return f"{probe.address}\x02".encode() + "\r\n".join(lines).encode() + b"\r\n\x03"


def _printed(value: float | str) -> bytes:
    """Sign and at most 7 digits."""
    if isinstance(value, str):
        return value.encode()
    whole = len(str(int(abs(value))))
    return f"{value:+.{max(0, 7 - whole)}f}".rstrip("0").rstrip(".").encode()


def _groups(texts: list[bytes], most_characters: int, most_values: int) -> list[bytes]:
    groups: list[list[bytes]] = [[]]
    for text in texts:
        if (
            len(groups[-1]) == most_values
            or sum(map(len, groups[-1])) + len(text) > most_characters
        ):
            groups.append([])
        groups[-1].append(text)
    return [b"".join(group) for group in groups]
