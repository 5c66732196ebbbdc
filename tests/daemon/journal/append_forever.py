"""Appends records to a journal and prints the number of each committed one, until it is killed."""

import itertools
import os
import sys
from pathlib import Path

from edaphon.clock import SystemClock
from edaphon.journal import Entry, EntryId, Journal, Kind


def main(folder: Path, run: str) -> None:
    journal = Journal(folder, SystemClock(), largest_bytes=200_000)
    for first in itertools.count(0, 7):
        numbers = range(first, first + 7)

        def done(sequences: list[EntryId], numbers: range = numbers) -> None:
            stated = "".join(f"{k} {s.number}\n" for k, s in zip(numbers, sequences, strict=True))
            os.write(1, stated.encode())

        entries = [Entry(Kind.RECORD, k, k, run, "sdi12/a", b"%d" % k * 20) for k in numbers]
        journal.append(entries, done)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
