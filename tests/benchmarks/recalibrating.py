"""A process of its own that derives again what a new calibration touches, and says what it took."""

import os
import sys
import time
from pathlib import Path

from tests.benchmarks.processes import peak_mb

from edaphon.derive.deriver import Deriver
from edaphon.journal import JournalReader
from edaphon.series import Series
from edaphon.series.rows import pack_rows, unpack_rows


def main(folder: Path) -> None:
    storage = folder / "storage"
    series = Series(storage / "series.sqlite")
    begun = time.process_time()
    deriver = Deriver(JournalReader(storage / "journal"), series, folder / "again.sqlite")
    while deriver.turn():
        pass
    cpu_s = time.process_time() - begun
    peak = peak_mb(os.getpid())
    print(f"{cpu_s:.2f} {peak:.1f} {deriver.differing} {_copied(series):.2f}", flush=True)
    series.close()


def _copied(series: Series) -> float:
    """The yardstick: every block inflated and deflated again once, nothing else."""
    begun = time.process_time()
    for channel, day in {(head.channel, head.day) for head in series.heads()}:
        rows = series._day_rows(channel, day, -(2**63), 2**63 - 1)  # noqa: SLF001
        unpack_rows(pack_rows(rows), len(rows))
    return time.process_time() - begun


if __name__ == "__main__":
    main(Path(sys.argv[1]))
