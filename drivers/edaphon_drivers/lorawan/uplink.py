"""The uplink: what a device sent over LoRaWAN, freed of its network server's envelope."""

from typing import NamedTuple

_LAST_PORT = 223


class Uplink(NamedTuple):
    """One uplink; `data` are the instrument's bytes, whatever the server decoded from them.

    `dev_eui` is 16 lower-case hex digits. `f_port` and `f_cnt` are 0 when the server omits them
    (JSON from protocol buffers leaves zeros out). `time_ns` is when the network received it
    [UTC ns], None where the server sends no time and UNREADABLE_NS where nobody can read it. Two
    uplinks of the same `dev_eui`, `session`, `f_cnt` and `data` are one sending: `f_cnt` begins
    again with each session. `received_by` names the gateways. `simulated`: a person made it at
    the server, the device sent nothing.
    """

    dev_eui: str
    f_port: int
    f_cnt: int
    data: bytes
    time_ns: int | None
    session: str
    received_by: tuple[str, ...]
    simulated: bool = False


def has_data(data: bytes, f_port: int) -> bool:
    """Whether an instrument said something: bytes on one of its own ports.

    Port 0, or none, carries MAC commands alone, 224 the network's tests, and those above are kept
    for the network (LoRaWAN L2 1.0.4, 4.3.2). No decoder may see such a frame: many makers'
    scripts read 0.00 from no bytes.
    """
    return bool(data) and 1 <= f_port <= _LAST_PORT
