"""The serial ports of this machine by their identity, and which bus uses each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edaphon.config import Configuration

__all__ = ["port_rows"]

BY_IDENTITY = Path("/dev/serial/by-id")


def port_rows(config: Configuration, by_identity: Path = BY_IDENTITY) -> Iterator[dict[str, Any]]:
    """Each port with what is known of its adapter; then the configured ports that are not there."""
    wanted = {name: bus.port for name, bus in config.buses.items() if bus.port.startswith("/")}
    seen: set[str] = set()
    for identity, device, what in _adapters(by_identity):
        users = [name for name, port in wanted.items() if _is_same(port, device)]
        seen |= set(users)
        use = f"bus {', '.join(users)}" if users else "used by no bus"
        yield {"port": identity, "what": what, "use": use, "buses": users, "trouble": ""}
    for name, port in wanted.items():
        if name not in seen and not Path(port).exists():
            problem = f"bus {name}: expected a port at {port}, there is none; plug the adapter in"
            row = {"port": port, "what": "is not there", "use": f"bus {name}", "buses": [name]}
            yield {**row, "trouble": problem}


def _adapters(by_identity: Path) -> Iterator[tuple[str, str, str]]:
    """(path by identity if there is one, device, what it says of itself)."""
    from serial.tools.list_ports import comports

    links = {str(p.resolve()): str(p) for p in by_identity.glob("*")}
    for port in sorted(comports(), key=lambda p: str(p.device)):
        if port.vid is None and port.device not in links:
            continue  # the sixteen ttyS of a PC, mostly without a plug
        stated = filter(None, (port.manufacturer, port.product, port.serial_number))
        yield links.get(port.device, port.device), port.device, " ".join(stated) or port.description


def _is_same(port: str, device: str) -> bool:
    return str(Path(port).resolve()) == device
