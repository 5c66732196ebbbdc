"""Two clients with one identifier take a broker's session from each other, again and again.

MQTT 3.1.1 (3.1.4) has the broker close the older connection without a word; only version 5 has a
reason for it (8E, session taken over). What shows is connections that end soon after their start.
"""

SHORT_S = 12.0  # longer than this link waits before it comes back: another one waits no longer
MANY = 3


class ShortConnections:
    """Counts connections in a row that ended within SHORT_S; times are monotonic [s]."""

    def __init__(self) -> None:
        self._n = 0
        self._since_s: float | None = None

    @property
    def many(self) -> bool:
        """Whether somebody else seems to take the session again and again."""
        return self._n >= MANY

    def begin(self, now_s: float) -> None:
        self._since_s = now_s

    def end(self, now_s: float) -> None:
        """The connection is gone; nothing happens where there was none."""
        if self._since_s is not None:
            self._n = self._n + 1 if now_s - self._since_s < SHORT_S else 0
            self._since_s = None

    def lasts(self, now_s: float) -> bool:
        """Whether this connection is no short one any more."""
        return self._since_s is not None and now_s - self._since_s >= SHORT_S

    def over(self, now_s: float) -> bool:
        """Whether there were many and this connection lasts: told once."""
        if self.many and self.lasts(now_s):
            self._n = 0
            return True
        return False
