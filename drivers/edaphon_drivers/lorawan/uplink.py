"""The uplink: what a device sent over LoRaWAN, freed of its network server's envelope."""

from typing import NamedTuple

__all__ = ["Uplink"]


class Uplink(NamedTuple):
    """One uplink; `data` are the instrument's bytes, whatever the server decoded from them.

    `dev_eui` is 16 lower-case hex digits. `f_port` and `f_cnt` are 0 when the server omits them
    (JSON from protocol buffers leaves zeros out). `time_ns` is when the network received it
    [UTC ns]. Two uplinks of the same `dev_eui`, `session`, `f_cnt` and `data` are one sending:
    `f_cnt` begins again with each session. `received_by` names the gateways.
    """

    dev_eui: str
    f_port: int
    f_cnt: int
    data: bytes
    time_ns: int | None
    session: str
    received_by: tuple[str, ...]
