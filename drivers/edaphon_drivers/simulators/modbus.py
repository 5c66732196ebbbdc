"""Modbus instruments on a pseudo terminal (RTU) or a loopback port (TCP); faults on demand.

Written from the specifications without the code of this package, so that it is a second opinion.
It answers reads of registers (3, 4), of the device identification (43/14) and of Senseair's memory
(0x44); everything else is an illegal function.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from edaphon_drivers.simulators.plugged import FaultyByCommand, Outbox, PluggedPort

FAULTS = ("silent", "garbled", "late", "doubled", "cut", "noise", "exception", "busy", "echo")

_REQUEST_BYTES = {0x03: 8, 0x04: 8, 0x2B: 7, 0x44: 7}
_QUIET_S = 0.05  # after such a silence a begun request is given up


def rtu(unit: int, pdu: bytes) -> bytes:
    """The frame on a serial line: polynomial 8005 over mirrored bits, low byte first."""
    frame = bytes([unit]) + pdu
    rest = 0xFFFF
    for byte in frame:
        rest ^= int(f"{byte:08b}"[::-1], 2) << 8
        for _ in range(8):
            rest = ((rest << 1) ^ (0x8005 if rest & 0x8000 else 0)) & 0xFFFF
    return frame + struct.pack("<H", int(f"{rest:016b}"[::-1], 2))


@dataclass(slots=True)
class Unit(FaultyByCommand):
    """One instrument. `holding` and `inputs` are registers by address, read anew for each answer.

    What is asked are the requests (PDU).
    """

    FAULTS = FAULTS

    number: int
    holding: Mapping[int, int] | Callable[[], Mapping[int, int]] = field(default_factory=dict)
    inputs: Mapping[int, int] | Callable[[], Mapping[int, int]] = field(default_factory=dict)
    memory: Mapping[int, int] = field(default_factory=dict)
    identification: Mapping[int, bytes] = field(default_factory=dict)

    def answer(self, pdu: bytes) -> bytes:
        """The answer (PDU) of a healthy unit."""
        if pdu[0] in {3, 4} and len(pdu) == 5:
            return self._read(pdu, self.holding if pdu[0] == 3 else self.inputs)
        if pdu[0] == 0x44 and len(pdu) == 4:
            start, count = struct.unpack(">HB", pdu[1:])
            return bytes([0x44, count, *(self.memory.get(start + n, 0) for n in range(count))])
        if pdu[:2] == b"\x2b\x0e" and self.identification:
            objects = [bytes([n, len(text)]) + text for n, text in self.identification.items()]
            return pdu[:3] + bytes([0x83, 0, 0, len(objects)]) + b"".join(objects)
        return bytes([pdu[0] | 0x80, 1])

    def _read(
        self, pdu: bytes, table: Mapping[int, int] | Callable[[], Mapping[int, int]]
    ) -> bytes:
        registers = table() if callable(table) else table
        start, count = struct.unpack(">HH", pdu[1:])
        if not 1 <= count <= 125:
            return bytes([pdu[0] | 0x80, 3])
        if any(start + n not in registers for n in range(count)):
            return bytes([pdu[0] | 0x80, 2])
        words = [registers[start + n] & 0xFFFF for n in range(count)]
        return bytes([pdu[0], 2 * count]) + struct.pack(f">{count}H", *words)


def _outbox() -> Outbox:
    return Outbox(end=0, noise=0)


def _reply(
    outbox: Outbox, unit: Unit, request: bytes, pdu: bytes, wrap: Callable[[bytes], bytes]
) -> None:
    """The unit's answer to a request that came as `request` with that PDU."""
    unit.asked.append(pdu)
    fault = unit.next_fault(pdu)
    if fault in {"exception", "busy"}:
        outbox.put(wrap(bytes([pdu[0] | 0x80, 4 if fault == "exception" else 6])))
        return
    answer = wrap(unit.answer(pdu))
    outbox.reply(request + answer if fault == "echo" else answer, fault, unit.late_s)


class SimulatedLine(PluggedPort):
    """RTU units on one line. With `link`, that path points to the port whatever its name is.

    Bytes that are no request to a unit here go to `other`, whose answer is sent: a second
    instrument with another protocol on the same pair of wires.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        link: Path | None = None,
        other: Callable[[bytes], bytes | None] = lambda data: None,
    ) -> None:
        super().__init__("modbus-simulator", link, _outbox())
        self.units = {unit.number: unit for unit in units}
        self._other = other

    def _serve(self) -> None:
        buffer, received_at = b"", 0.0
        while not self._stopping.is_set():
            data = self._received()
            if buffer and not data and time.monotonic() - received_at > _QUIET_S:
                buffer = b""
            if data:
                buffer, received_at = self._answered(buffer + data), time.monotonic()
            self._send_due()

    def _answered(self, buffer: bytes) -> bytes:
        """Answers the requests in what came; the begun one that is left."""
        while buffer:
            other = self._other(buffer)
            if other is not None:
                self._outbox.put(other)
                return b""
            size = _REQUEST_BYTES.get(buffer[1], 8) if len(buffer) > 1 else 8
            if len(buffer) < size:
                return buffer
            frame, pdu = buffer[:size], buffer[1 : size - 2]
            if rtu(buffer[0], pdu) != frame:
                buffer = buffer[1:]
                continue
            unit = self.units.get(frame[0])
            if unit:
                _reply(self._outbox, unit, frame, pdu, partial(rtu, unit.number))
            buffer = buffer[size:]
        return b""


class SimulatedServer:
    """The same units behind Modbus TCP on a free port of 127.0.0.1."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = {unit.number: unit for unit in units}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.02)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._accept, name="modbus-tcp", daemon=True)]

    def start(self) -> int:
        """The port."""
        self._threads[0].start()
        port: int = self._socket.getsockname()[1]
        return port

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._socket.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        outbox, buffer = _outbox(), b""
        client.settimeout(0.005)
        with client:
            while not self._stopping.is_set():
                try:
                    data = client.recv(4096)
                    if not data:
                        return
                    buffer = self._answered(buffer + data, outbox)
                except TimeoutError:
                    pass
                except OSError:
                    return
                if due := outbox.due():
                    client.sendall(due)

    def _answered(self, buffer: bytes, outbox: Outbox) -> bytes:
        while len(buffer) >= 8:
            transaction, _, length, number = struct.unpack(">HHHB", buffer[:7])
            if len(buffer) < 6 + length:
                break
            pdu = buffer[7 : 6 + length]

            def wrap(pdu: bytes, t: int = transaction, n: int = number) -> bytes:
                return struct.pack(">HHHB", t, 0, len(pdu) + 1, n) + pdu

            if unit := self.units.get(number):
                _reply(outbox, unit, buffer[: 6 + length], pdu, wrap)
            buffer = buffer[6 + length :]
        return buffer
