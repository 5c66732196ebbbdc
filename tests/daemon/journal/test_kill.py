"""What the journal reported as committed is there after kill -9, once and in order."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.daemon.journal import append_forever
from tests.daemon.journal.entries import SetClock

from edaphon.journal import EntryId, Journal, Kind, read_only

KILLS = 20


def killed_run(folder: Path, run: str, after_s: float) -> dict[int, EntryId]:
    """Start the appending process, kill it, and return what was reported to it as committed."""
    script = Path(append_forever.__file__)
    process = subprocess.Popen([sys.executable, script, folder, run], stdout=subprocess.PIPE)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(after_s)
    process.kill()
    stated = first + process.stdout.read()
    process.stdout.close()
    process.wait()
    whole = stated[: stated.rindex(b"\n")].decode().split("\n")
    return {int(k): EntryId.of(int(n)) for k, n in (line.split() for line in whole)}


@pytest.mark.timeout(120)
def test_committed_entries_survive_twenty_kills_once_and_in_order(tmp_path: Path) -> None:
    rng = random.Random(7)
    reported = [killed_run(tmp_path, f"run {k}", rng.uniform(0, 0.15)) for k in range(KILLS)]
    with Journal(tmp_path, SetClock()) as journal:
        found = list(journal.scan(kinds={Kind.RECORD}))
        assert not [entry for _, entry in journal.scan(kinds={Kind.LOST})]
    assert [sequence for sequence, _ in found] == sorted({sequence for sequence, _ in found})
    places = {(entry.boot, entry.mono_ns): sequence for sequence, entry in found}
    assert len(places) == len(found)
    for k in range(KILLS):
        numbers = [entry.mono_ns for _, entry in found if entry.boot == f"run {k}"]
        assert numbers == list(range(len(numbers)))
        assert reported[k].items() <= {n: places[f"run {k}", n] for n in numbers}.items()
    assert sum(map(len, reported)) > 1000
    assert max(sequence.file for sequence, _ in found) > 1
    assert read_only(tmp_path).last == found[-1][0]
