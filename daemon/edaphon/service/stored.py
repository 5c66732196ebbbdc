"""The daily look at all that is stored: entries, rows and releases, so that damage shows."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from edaphon.databases import AT_FAULT, fault_of
from edaphon.journal import DamagedRow, JournalReader, read_only
from edaphon.journal.salvage import acknowledged_releases
from edaphon.model import EntryId
from edaphon.series import Series, WrongFile
from edaphon.storage.access import Storage

__all__ = ["StoredCheck", "altered_releases", "damage_in", "not_noted"]

BEGIN_S, EVERY_S, TRY_AGAIN_S = 2.0, 86_400.0, 600.0  # the start itself comes first
REST = 9  # times as long as a read took: at most a tenth of one core and of the disk's time
ENTRIES = 2000  # of one read

Altered = dict[str, list[str]]  # what is wrong with a release, by its name


class StoredCheck:
    """`run` is the life of a thread; `altered` is what it last found of releases."""

    def __init__(
        self,
        storage: Storage,
        on_damage: Callable[[DamagedRow], None],
        on_bad_block: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self._storage, self._stop = storage, stop
        self._on_damage, self._on_bad_block = on_damage, on_bad_block
        self._altered: Altered = {}

    @property
    def altered(self) -> Altered:
        """Releases that are not what was released, those apart that a person has noted."""
        return not_noted(self._storage, self._altered)

    def run(self) -> None:
        self._stop.wait(BEGIN_S)
        while not self._stop.is_set():
            try:
                self._altered = altered_releases(self._storage)
                for damage in damage_in(read_only(self._storage.layout.journal), self._rest):
                    self._on_damage(damage)
                self._read_series()
            except (sqlite3.OperationalError, OSError):  # a full disk, which is shown as such
                self._stop.wait(TRY_AGAIN_S)
            else:
                self._stop.wait(EVERY_S)

    def _read_series(self) -> None:
        path = self._storage.layout.series
        try:
            with closing(Series(path, read_only=True)) as series:
                begun = time.monotonic()
                for words in series.damaged_blocks():
                    if words:
                        return self._on_bad_block(words)
                    if self._rest(time.monotonic() - begun):
                        return None
                    begun = time.monotonic()
        except (sqlite3.DatabaseError, WrongFile) as error:
            if isinstance(error, WrongFile) or fault_of(error, path) in AT_FAULT:
                return self._on_bad_block(str(error))
            raise

    def _rest(self, took_s: float) -> bool:
        return self._stop.wait(REST * took_s)


def damage_in(
    journal: JournalReader, rest: Callable[[float], bool] = lambda _: False
) -> Iterator[DamagedRow]:
    """All runs of entries that can't be read; `rest` gets the seconds of a read, True ends it."""
    place: EntryId | None = EntryId(0, 0)
    while place is not None:
        begun = time.monotonic()
        try:
            items = journal.after(place, ENTRIES)
            place = items[-1][0] if items else None
        except DamagedRow as damage:
            yield damage
            place = damage.last
        if rest(time.monotonic() - begun):
            return


def altered_releases(storage: Storage) -> Altered:
    """Files of releases that are missing, or not as they were released."""
    from edaphon.commands.release import found_releases  # not every plot has releases

    return {each.name: each.problems for each in found_releases(storage) if each.problems}


def not_noted(storage: Storage, altered: Altered) -> Altered:
    """Without what a person has noted of them."""
    if not altered:
        return {}
    noted = acknowledged_releases(read_only(storage.layout.journal).copies)
    open_ones = {n: [w for w in words if (n, w) not in noted] for n, words in altered.items()}
    return {name: words for name, words in open_ones.items() if words}
