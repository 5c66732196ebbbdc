"""An open line, `port = "example://host:port"`; edaphon's own link to TCP does the work."""

from edaphon_drivers.links.serial import TcpLink


class ExampleLink(TcpLink):
    """Every method raises LinkDown; a line that is down is opened again later."""

    def __init__(self, port: str, _: object) -> None:
        host, _, number = port.removeprefix("example://").rpartition(":")
        super().__init__(host, int(number))
