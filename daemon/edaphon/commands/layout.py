"""Where things lie in the storage folder."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def series(self) -> Path:
        return self.folder / "series.sqlite"

    @property
    def scratch(self) -> Path:
        """A series in the making, taken over or thrown away."""
        return self.folder / "series-again.sqlite"

    @property
    def releases(self) -> Path:
        """A file for each release, never changed again."""
        return self.folder / "releases"

    def release(self, name: str) -> Path:
        return self.releases / f"{name}.sqlite"

    @property
    def control(self) -> Path:
        return self.folder / "control.sock"
