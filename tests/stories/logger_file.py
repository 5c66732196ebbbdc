"""A logger's table of many years, for stories of imports: its text, its sheet, its channels."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from edaphon.model import Float, Int

__all__ = ["COLUMNS", "expected_rows", "logger_facts", "logger_source", "peak_mb", "write_table"]

COLUMNS = 12
_BEGIN = datetime(2016, 1, 1, tzinfo=UTC)
_STEP = timedelta(minutes=10)


def write_table(path: Path, rows: int, first: int = 0) -> None:
    """A TOA5 of twelve temperatures every ten minutes; row k holds numbers that only it has."""
    names = ",".join(f'"T{k}_Avg"' for k in range(1, COLUMNS + 1))
    with path.open("w") as file:
        file.write(
            '"TOA5","plot","CR1000","1234","CR1000.Std.32","CPU:soil.CR1","5212","Soil"\r\n'
            f'"TIMESTAMP","RECORD",{names}\r\n'
            f'"TS","RN",{",".join(COLUMNS * [_quoted("Deg C")])}\r\n'
            f'"","",{",".join(COLUMNS * [_quoted("Avg")])}\r\n'
        )
        for k in range(first, first + rows):
            cells = ",".join(f"{_number(k, column):.3f}" for column in range(COLUMNS))
            file.write(f'"{_BEGIN + k * _STEP:%Y-%m-%d %H:%M:%S}",{k},{cells}\r\n')


def expected_rows(rows: int, column: int) -> tuple[Int, Float]:
    """(times [UTC ns], numbers) of a column of the table."""
    k = np.arange(rows, dtype=np.int64)
    numbers = (k * 7 + column * 1013) % 40_000 / 1000
    return int(_BEGIN.timestamp()) * 10**9 + k * 600 * 10**9, numbers


def _quoted(word: str) -> str:
    return f'"{word}"'


def _number(row: int, column: int) -> float:
    return (row * 7 + column * 1013) % 40_000 / 1000


def logger_source(pattern: Path, name: str = "log") -> str:
    """The configuration of a followed file with a sheet of its own."""
    columns = "".join(f'{{ name = "T{k}_Avg", output = "t{k}" }}, ' for k in range(1, COLUMNS + 1))
    outputs = "".join(
        f'[[model."plot.logger".output]]\nname = "t{k}"\nquantity = "soil_temperature"\n'
        'unit = "degC"\n'
        for k in range(1, COLUMNS + 1)
    )
    return (
        f'[[source]]\nname = "{name}"\nfile = "{pattern}"\nmodel = "plot.logger"\n'
        'expect = "10min"\nsettings = { utc_offset = "+00:00", interval_s = 600 }\n'
        '[model."plot.logger"]\ntitle = "the plot\'s logger"\nengine = "file"\n'
        f'[model."plot.logger".frame]\nform = "toa5"\ncolumn = [{columns}]\nmissing = ["NAN"]\n'
        '[model."plot.logger".frame.time]\ncolumns = ["TIMESTAMP"]\n'
        f'formats = ["%Y-%m-%d %H:%M:%S"]\n{outputs}'
    )


def logger_facts(name: str = "log") -> str:
    return '[[plot]]\nid = "old"\n' + "".join(
        f'[[channel]]\nid = "old-{k}"\nplot = "old"\nquantity = "soil_temperature"\n'
        f'unit = "degC"\ndepth_cm = {k}\n'
        f'[[deployment]]\nid = "d-old-{k}"\nchannel = "old-{k}"\nsource = "file/{name}"\n'
        f'output = "t{k}"\n'
        for k in range(1, COLUMNS + 1)
    )


def peak_mb(pid: int) -> float:
    """VmHWM: the most memory that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
