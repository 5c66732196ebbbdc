"""SDI-12 on a plain serial port: RS-232 or a UART with a diode, no adapter that knows the protocol.

The port may be one of a serial server (`rfc2217://`) less than 40 ms away: the break goes there.

The break, its timing and the removal of the echo are ours (specification v1.4, 4.1 and 7). The
bytes on the wire are 7E1: they are made of 8N1 with a parity bit computed here, since the small
UART of a Raspberry Pi knows no parity, and since binary packets come as 8N1.
"""

import re
import time
from collections.abc import Callable

from edaphon_drivers.links import SerialOptions
from edaphon_drivers.links.serial import SerialLink

_BREAK_S = 0.0125  # at least 12 ms
_MARKING_S = 0.0085  # at least 8.33 ms
_AWAKE_S = 0.087  # after that much marking a probe may be asleep
_BYTE_S = 10 / 1200
_PACKET = re.compile(rb"[0-9A-Za-z]DB[0-9]{1,3}!")
_EVEN = bytes(value | (0x80 if bin(value).count("1") % 2 else 0) for value in range(128))


def open_line(port: str, _: SerialOptions) -> "Sdi12UartLink":
    """SDI-12 has one speed and format, whatever the options are."""
    return Sdi12UartLink(port)


class Sdi12UartLink(SerialLink):
    """Write commands as to a transparent adapter; read gives the answer without the echo.

    A byte with wrong parity comes with its highest bit set, which no answer in text may have.
    """

    def __init__(
        self,
        path: str,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(path, SerialOptions(baud=1200))
        self._sleep, self._now_s = sleep, now_s
        self._address = b""
        self._quiet_since_s = now_s() - 1
        self._echo = b""
        self._held = b""
        self._binary = False

    def write(self, data: bytes) -> None:
        """Wakes the probe if needed, sends, and returns when the last bit has left."""
        with self._down_if("a port that takes bytes and breaks"):
            if data[:1] != self._address or self._now_s() - self._quiet_since_s > _AWAKE_S:
                self._wake()
            self._echo = bytes(_EVEN[byte & 0x7F] for byte in data)
            self._held = b""
            self._port.write(self._echo)
            self._port.flush()  # a port of this machine waits here
            if self.is_remote:
                self._sleep(len(data) * _BYTE_S)
        self._address = data[:1]
        self._binary = bool(_PACKET.fullmatch(data))
        self._quiet_since_s = self._now_s()

    def read(self, wait_s: float) -> bytes:
        """What the probe sent; b"" when nothing came in `wait_s` [s], or only the echo did."""
        came = super().read(wait_s)
        if came:
            self._quiet_since_s = self._now_s()
        answer = self._without_echo(came)
        return answer if self._binary else bytes(map(_checked, answer))

    def _wake(self) -> None:
        """The break, received on the same wire as a NUL, and the marking after it."""
        for state, wait_s in ((True, _BREAK_S), (False, _MARKING_S)):
            self._port.break_condition = state
            if not self.is_remote:  # else pyserial has waited 50 ms for the server's answer
                self._sleep(wait_s)
        super().read(0)

    def _without_echo(self, came: bytes) -> bytes:
        """What came after the echo; all of it where the circuit gives none."""
        if not self._echo:
            return came
        self._held = (self._held + came).lstrip(b"\x00")
        if self._echo.startswith(self._held):
            if self._held == self._echo:
                self._echo = self._held = b""
            return b""
        answer, self._held = self._held.removeprefix(self._echo), b""
        self._echo = b""
        return answer


def _checked(byte: int) -> int:
    """The seven bits of a byte with even parity; with the highest bit set if it is wrong."""
    return byte & 0x7F if _EVEN[byte & 0x7F] == byte else byte | 0x80
