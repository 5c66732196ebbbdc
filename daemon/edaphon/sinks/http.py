"""Requests to a database server: whatever keeps an answer from coming is Later."""

from collections.abc import Mapping

from edaphon.network import requests
from edaphon.network.requests import Answer, Unreachable
from edaphon.sinks.sink import Later

__all__ = ["Wire"]


class Wire(requests.Wire):
    """See edaphon.network.requests."""

    def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The server's answer of whatever status; Later when there is none in time."""
        try:
            return super().request(method, target, body, headers)
        except Unreachable as error:
            raise Later(error.why, blocked=error.blocked, slow=error.slow) from None
