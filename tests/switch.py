"""A device that takes what would switch a relay, as a test sees it."""

import os
import tty
from pathlib import Path

__all__ = ["SwitchDevice"]


class SwitchDevice:
    """A character device; with `link`, a path that leads to it."""

    def __init__(self, link: Path | None = None) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path = Path(os.ttyname(self._theirs))
        self._taken = ""
        if link is not None:
            link.symlink_to(self.path)
            self.path = link

    @property
    def taken(self) -> str:
        """All that was written to it so far."""
        try:
            while data := os.read(self._ours, 4096):
                self._taken += data.decode()
        except BlockingIOError:
            pass
        return self._taken

    @property
    def last(self) -> str:
        """The last character, "" if there was none."""
        return self.taken[-1:]
