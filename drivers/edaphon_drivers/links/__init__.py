"""Links: open lines to instruments, and the options that a serial one has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SerialOptions:
    """`rts` and `dtr` are set before the port opens; None leaves them as the system sets them."""

    baud: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1
    rts: bool | None = None
    dtr: bool | None = None
