"""A sink: a text file with a line for each point; the last line of a point counts."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from edaphon.model import Channel, Observations
from edaphon.sinks.sink import Later, PointWithdrawal, SinkKind
from edaphon.toml_input.values import AbsolutePath, Table


class CsvSettings(Table):
    """Where the file is."""

    kind: Literal["example-csv"] = "example-csv"
    path: AbsolutePath = Field(description="the file, made when it is not there")

    @property
    def place(self) -> str:
        """With another place all is sent again."""
        return str(self.path)

    @property
    def reaches(self) -> Sequence[tuple[str, Path]]:
        """What is written, by its key, for `edaphon check`."""
        return [("path", self.path)]


class CsvSink:
    """See edaphon.sinks.sink.Sink; returns when the lines are on the disk."""

    notices: Sequence[str] = ()
    server = ""
    read = None

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, batch: Sequence[Observations]) -> None:
        rows = [
            f"{run.channel},{time_ns},{value}\n"
            for run in batch
            for time_ns, value in zip(run.time_ns.tolist(), run.value.tolist(), strict=True)
        ]
        self._append(rows)

    def withdraw(self, withdrawal: PointWithdrawal) -> None:
        self._append(f"{withdrawal.channel.id},{t},\n" for t in withdrawal.times_ns.tolist())

    def close(self) -> None:
        """No file stays open between two calls."""

    def _append(self, rows: Iterable[str]) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(rows)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Later(f"{self._path} can't be written: {error}") from None


def open_sink(settings: CsvSettings, channels: Mapping[str, Channel]) -> CsvSink:
    """Touches no file yet."""
    return CsvSink(settings.path)


KIND = SinkKind(CsvSettings, open_sink)  # without `held`: `verify` says it can't be read back
