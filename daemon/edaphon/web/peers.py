"""Bounds on who is connected to the page: for how long, and how many at once.

uvicorn has no deadline for a request's head, and counts every open connection, so that a few which
send nothing turn the page away from all others. Its `http` setting takes a protocol class.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["MOST", "BoundedProtocol"]

MOST = 64  # connections
HEAD_WITHIN_S = 5.0  # from the connection, or the answer before, to the end of a request's head
ANSWER_WITHIN_S = 40.0  # made and taken by the peer
STUCK_S = 2.0  # an answer that is not taken for so long makes room for others


class BoundedProtocol(H11Protocol):
    """A connection with deadlines; where there are too many, the one that waits longest ends."""

    _timer: asyncio.TimerHandle | None = None
    _since_s = 0.0  # on the loop's clock
    _busy = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()
        if len(self.connections) > MOST:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._answering != self._busy:
            self._arm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _arm(self) -> None:
        """A new deadline, of the request's head or of its answer; bytes alone do not move it."""
        if self._timer is not None:
            self._timer.cancel()
        self._since_s, self._busy = self.loop.time(), self._answering
        within_s = ANSWER_WITHIN_S if self._busy else HEAD_WITHIN_S
        self._timer = self.loop.call_later(within_s, self.transport.abort)

    def _make_room(self) -> None:
        own = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        waiting = [each for each in own if each is not self and each.waits]
        ended = min(waiting or [self], key=lambda each: each._since_s)
        self.connections.discard(ended)  # abort is not done before the next turn of the loop
        ended.transport.abort()

    @property
    def waits(self) -> bool:
        """For its peer: for a request, or for an answer to be taken.

        One that sends further requests before it has its answer can wait too: no browser does.
        """
        if not self._busy or self.conn.trailing_data[0]:
            return True
        return self.flow.write_paused and self.loop.time() - self._since_s > STUCK_S
