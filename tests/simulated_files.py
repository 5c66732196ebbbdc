"""Loggers that write files as real ones do: whole or torn lines, new programs, rotation.

Written from the makers' descriptions without this package's own code. Times are local text; nothing
here knows a zone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

Value = float | str


class SimulatedLogger:
    """A data logger whose table grows in a TOA5 file: one row for each `step`."""

    def __init__(
        self,
        path: Path,
        fields: Sequence[tuple[str, str, str]],
        start: datetime,
        interval: timedelta,
        line_end: str = "\r\n",
    ) -> None:
        """`fields` are (name, unit, processing), such as ("T_5_Avg", "Deg C", "Avg")."""
        self.path = path
        self.fields = tuple(fields)
        self.time = start
        self.record = 0
        self._interval = interval
        self._end = line_end
        self._rest = ""
        self.program("CPU:first.CR1X")

    def program(self, name: str, fields: Sequence[tuple[str, str, str]] | None = None) -> None:
        """Another program runs: a new header stands in the same file."""
        self.fields = tuple(fields) if fields is not None else self.fields
        head = ["TOA5", "Plot", "CR1000X", "38327", "CR1000X.8.4.0", name, "7377", "Table1"]
        names = ["TIMESTAMP", "RECORD", *(field[0] for field in self.fields)]
        units = ["TS", "RN", *(field[1] for field in self.fields)]
        done = ["", "", *(field[2] for field in self.fields)]
        for line in (head, names, units, done):
            self._append(",".join(f'"{word}"' for word in line) + self._end)
        self.record = 0

    def step(self, values: Sequence[Value]) -> None:
        """One row at the end of the next interval; a text stands in quotes ("NAN")."""
        self.time += self._interval
        self._append(self._row(values) + self._end)

    def torn(self, values: Sequence[Value], characters: int) -> None:
        """The row stops after so many characters; the rest comes with the next row or program."""
        self.time += self._interval
        row = self._row(values) + self._end
        self._append(row[:characters])
        self._rest = row[characters:]

    def rotate(self, name: str) -> None:
        """The file gets another name and an empty one takes its place."""
        self.path.rename(self.path.with_name(name))
        self.program("CPU:first.CR1X")

    def _row(self, values: Sequence[Value]) -> str:
        written = [f'"{value}"' if isinstance(value, str) else f"{value:g}" for value in values]
        row = ",".join([f'"{self.time:%Y-%m-%d %H:%M:%S}"', str(self.record), *written])
        self.record += 1
        return row

    def _append(self, text: str) -> None:
        text, self._rest = self._rest + text, ""
        with self.path.open("ab") as file:
            file.write(text.encode())


class SimulatedRespirometer:
    """A soil respiration system that writes .81x observations, second by second."""

    def __init__(self, path: Path, start: datetime) -> None:
        self.path = path
        self.time = start
        self.observation = 0

    def observe(self, port: int, co2: Sequence[float], flux: float | None, closed: int = 2) -> None:
        """One observation of `co2` [ppm], a value each second, the first `closed` before closing.

        Without a `flux` it breaks off: no summary and no footer.
        """
        self.observation += 1
        lines = [
            "LI-8100:\t 1",
            f"Obs#:\t{self.observation}",
            f"Port#:\t{port}",
            "Area:\t317.8",
            "Labels_01:\t8",
            "Type\tEtime\tDate\tTcham\tPressure\tH2O\tCO2\tCdry",
        ]
        for n, ppm in enumerate(co2):
            lines.append(self._row("1", n - closed if n >= closed else -1, ppm))
            self.time += timedelta(seconds=1)
        self.time -= timedelta(seconds=1)
        if flux is not None:
            span = len(co2) - closed - 1
            lines += [self._row("2", 0, co2[closed]), self._row("3", span / 2, co2[closed])]
            lines += [self._row("4", span, 9.1), "CrvFitStatus:\tExp"]
            lines += [f"Exp_Flux:\t{flux:.6f}", f"Lin_Flux:\t{flux * 0.8:.3f}", "TimeClosing:\t13"]
        self.time += timedelta(seconds=30)
        with self.path.open("ab") as file:
            file.write(("\n".join(lines) + "\n\n").encode())

    def _row(self, kind: str, etime: float, ppm: float) -> str:
        dry = ppm / (1 - 9.6 / 1000)
        date = f"{self.time:%Y-%m-%d %H:%M:%S}"
        return f"{kind}\t{etime:g}\t{date}\t10.54\t99.09\t9.6\t{ppm:g}\t{dry:.2f}"
