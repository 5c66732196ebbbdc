"""Following files that a logger or an instrument's program writes: each new part is a record.

A piece holds whole records of the file and the header that explains them, so that it can be read
alone. A file is known again by digests of all that was read of it, whatever its name and inode: it
is read on where it was left when it was renamed, and from its start, as a new copy, when what was
read is no longer in it. Where each file was read to is kept in the state file, may be older
than the journal, and is then brought up to date from the pieces that the journal holds.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from edaphon.acquire.budget import Pace
from edaphon.acquire.file_pieces import (
    OPEN_S,
    FileBudget,
    Passed,
    SecretFiles,
    WatchedName,
    files_now,
    files_of,
    find_renamed,
    goes_on_in,
    has_rows,
    hold_newest,
    holds,
    is_explained,
    next_piece,
    open_followed,
    reading_place,
)
from edaphon.acquire.file_state import (
    FileLoss,
    FilePlace,
    FileView,
    ImportProgress,
    Imports,
    Stat,
    begins_alike,
    load_known,
)
from edaphon.acquire.slots import Timekeeper
from edaphon.clock import SECOND_NS
from edaphon.journal import Entry, EntryId, Journal, Kind, StateFile
from edaphon_drivers.files.cutting import Rest
from edaphon_drivers.readings import Follows, Piece, pack_piece
from edaphon_drivers.sheets import Sheet

LOOK_EVERY_S = 2.0
REST_TIMES = 3.0  # of the time that a look at very many files took
MOST_FILES = 200_000  # of one source; ten years of one each half hour are 175,000
RESTED_AFTER_S = 10.0  # a file that did not grow for so long has written its lines to their ends
ENDED_AFTER_S = 3600.0  # and for so long its last line too, though it has no end
CHECK_EVERY_S = 900.0  # all that was read of a growing file is compared again
CHECK_BYTES_PER_S = 1 << 18  # and less often where it is so large that reading it takes long
_MOST_ELSEWHERE = 64
_log = logging.getLogger("edaphon")


class Follower:
    """The files of one source; `run` is the life of its thread."""

    def __init__(
        self,
        path: str,
        pattern: Path,
        sheet: Sheet,
        journal: Journal,
        keeper: Timekeeper,
        state: StateFile,
        pace: Pace,
        budget: FileBudget,
        on_state: Callable[[str, str | None], None] = lambda *_: None,
        secrets: SecretFiles = frozenset(),
    ) -> None:
        self.path, self._budget, self._secrets = path, budget, secrets
        self._pace, self._imports = pace, Imports(path, state)
        self._imported: frozenset[str] = frozenset()  # in this look
        self._gave_way = False  # an import has more, and followed files come first
        self.taken = 0  # pieces handed to the journal
        self._pattern, self._sheet = pattern, sheet
        self._journal, self._keeper, self._state = journal, keeper, state
        self._on_state = on_state
        self._lock = threading.Lock()
        self._key = f"followed {path}"
        self._known = load_known(path, self._key, journal, state)
        self._waiting = 0  # entries that are not committed yet
        self._committed = self._known.copy_now()
        self._watches: dict[str, WatchedName] = {}
        self._found: dict[str, Stat] = {}
        self._problem: str | None = None

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                begun = time.monotonic()
                self.look(stop)
                took_s = time.monotonic() - begun
                stop.wait(0 if self._gave_way else max(LOOK_EVERY_S, REST_TIMES * took_s))
        finally:
            self.close()

    def close(self) -> None:
        """Give the open files back."""
        for watch in self._watches.values():
            watch.hold(None)

    def look(self, stop: threading.Event) -> None:
        """Take what is new in each file, the one that was changed longest ago first.

        Those that are imported come last, for a while: what is followed must not wait for them.
        """
        self._imported, self._gave_way = frozenset(self._imports.names), False
        followed, self._problem = self._bounded(*files_now(self._pattern, self._secrets))
        imported, problem = files_of(self._imported - followed.keys(), None, self._secrets)
        self._found, self._problem = followed | imported, self._problem or problem
        for name in self._imported - self._found.keys():
            self._miss(name)
        # All that left their names are read to their ends before what is there now begins.
        others = [n for n in self._changed() if self._try(n, partial(self._is_other, n, stop))]
        for name in others:
            if not stop.is_set():
                self._try(name, partial(self._begin, name))
        for name in list(self._found):
            if not stop.is_set():
                self._try(name, partial(self._follow, name, stop))
        self._problem = self._problem or self._budget.problem()
        hold_newest(self._pattern, self._watches, self._found, self._keeper.now_ns())
        self._on_state(self.path, self._problem)

    def _bounded(
        self, found: dict[str, Stat], problem: str | None
    ) -> tuple[dict[str, Stat], str | None]:
        """Where there are too many files, those that are known: what is kept of each is small."""
        if len(found) <= MOST_FILES:
            return found, problem
        words = f"expected at most {MOST_FILES} files, found {len(found)}: new ones are not read;"
        words += " name fewer in `file`, or move those of earlier years away"
        return {n: s for n, s in found.items() if n in self._known.places}, words

    def save(self, place: EntryId) -> None:
        """Keep how far was read up to a place of the journal that is committed."""
        with self._lock:
            known = self._committed if self._waiting else self._known.copy_now()
        self._state.put(self._key, {"place": list(place), "known": known.to_json()})

    def _miss(self, name: str) -> None:
        """An imported file is not there; one that was taken whole may go."""
        place = self._known.place(name)
        if place.stat is None or place.offset < place.stat.size:
            self._problem = (
                f"expected the file {name}, which is imported, found none; bring it back"
            )
            self._problem += f", or give it up: edaphon import {name} --cancel"

    def begin_import(self, name: str) -> int:
        """Take a file besides those that are followed; how many bytes of it are new, at most."""
        stat = Stat.of(os.stat(name))
        self._imports.add(name)
        place = self._known.place(name)
        grown = stat.is_file_of(place.stat) and stat.size > place.offset
        return stat.size - place.offset if grown or place.stat == stat else stat.size

    def cancel_import(self, name: str) -> None:
        """Take no more of it; what was taken stays."""
        self._imports.remove(name)
        with self._lock:
            self._known.retire(name)

    def import_progress(self, name: str) -> ImportProgress:
        place, watch = self._known.place(name), self._watches.get(name)
        try:
            size = os.stat(name).st_size
        except OSError:  # taken away meanwhile
            size = place.stat.size if place.stat else 0
        ahead = self._pace.ahead_bytes
        at_end = watch is not None and (watch.tried is not None or place.offset == size)
        done = at_end and not ahead
        derived = place.offset if done else max(0, place.offset - ahead)
        return ImportProgress(name, size, place.offset, derived, done)

    @property
    def imports(self) -> list[ImportProgress]:
        """Those that are not done."""
        return [one for one in map(self.import_progress, self._imports.names) if not one.done]

    def losses(self) -> tuple[FileLoss, ...]:
        """The latest of what was possibly not read, the newest last."""
        return tuple(self._known.losses)

    @property
    def lost(self) -> int:
        """How often something was possibly not read, since the source was new."""
        return self._known.lost

    def files(self) -> list[FileView]:
        """The files that were begun, by name; safe from any thread."""
        found, watches = self._found, self._watches
        return [
            self._view(name, place, found.get(name), watches.get(name))
            for name, place in sorted(self._known.places.copy().items())
        ]

    def _try(self, name: str, step: Callable[[], bool | None]) -> bool:
        """A file that can't be read keeps no other from being read."""
        try:
            return bool(step())
        except FileNotFoundError:
            self._found.pop(name, None)  # it left its name just now: the next look sees it
        except OSError as error:
            self._found.pop(name, None)
            self._problem = f"expected a file that this account can read, got {error}"
        return False

    # -- which file has a name ---------------------------------------------------------------

    def _changed(self) -> list[str]:
        """The names under which something changed, or that were not looked at yet.

        Those of which nothing was read come last: a file that left its name may be there now.
        """
        names = [*self._found, *(n for n in self._known.places if n not in self._found)]
        changed = [name for name in names if self._is_changed(name)]
        return sorted(changed, key=lambda name: not self._known.place(name).offset)

    def _is_changed(self, name: str) -> bool:
        watch = self._watches.get(name)
        return watch is None or not watch.seen or watch.stat != self._found.get(name)

    def _is_other(self, name: str, stop: threading.Event) -> bool:
        """Whether a name belongs to another file; if so, the one before is read to its end."""
        watch = self._watch(name)
        if name not in self._found:
            self._leave(name, watch, stop)
            return False
        with open_followed(self._pattern, name, self._secrets) as file:
            stat = self._found[name] = Stat.of(os.fstat(file.fileno()))
            same = self._is_same(name, watch, file, stat)
        if same:
            self._looked_at(name, watch, stat)
        elif not stop.is_set():
            self._end(name, watch, stop)
        return not same

    def _end(self, name: str, watch: WatchedName, stop: threading.Event) -> None:
        """The file of a name is another one than before."""
        changed = self._found[name].is_file_of(self._known.place(name).stat)
        if name in self._known.places and not watch.has_left:
            self._leave(name, watch, stop)
        if not stop.is_set():  # else it was perhaps not read to its end
            with self._lock:
                self._known.begin(name, Follows.CHANGED if changed else Follows.BEGINS)

    def _watch(self, name: str) -> WatchedName:
        if name not in self._watches:
            mono = self._keeper.mono_ns()
            begun = 0 if name in self._known.places else self._keeper.now_ns()
            self._watches[name] = WatchedName(mono, mono, begun)
        return self._watches[name]

    def _is_same(self, name: str, watch: WatchedName, file: BinaryIO, stat: Stat) -> bool:
        """Whether all that was read is in a file, and what the held file has behind that."""
        place = self._known.places.get(name)
        if place is None or not self._stands(name, place, watch, file, stat):
            return False
        known = place.stat is not None  # else the place was rebuilt from pieces
        another = watch.has_left or (known and not stat.is_file_of(place.stat))
        if another and self._is_unread(name, place, file, stat):
            return False
        return not watch.is_held_elsewhere(stat) or (
            watch.file is not None and goes_on_in(watch.file, file, place.offset)
        )

    def _is_unread(self, name: str, place: FilePlace, file: BinaryIO, stat: Stat) -> bool:
        """Whether no row was read and no header, so that the file that is there now says more."""
        if place.offset:
            return not is_explained(place, self._sheet)
        return self._elsewhere(name, file, stat) is not None

    def _stands(
        self, name: str, place: FilePlace, watch: WatchedName, file: BinaryIO, stat: Stat
    ) -> bool:
        if not watch.seen and place.stat == stat:
            return True  # untouched since the service ran before
        if stat.size < place.offset:
            return False
        if place.stat and stat.is_file_of(place.stat) and stat.size > place.stat.size:
            watch.unchecked = True
            return begins_alike(file, place.blocks)
        return self._holds(name, place, watch, file)

    def _holds(self, name: str, place: FilePlace, watch: WatchedName, file: BinaryIO) -> bool:
        """Compare all that was read."""
        blocks = holds(file, place)
        if blocks is not None:
            watch.unchecked, watch.checked_ns = False, self._keeper.mono_ns()
            self._set(name, replace(place, blocks=blocks))
        return blocks is not None

    def _begin(self, name: str) -> None:
        """A file that was followed under another name is read on, any other from its start."""
        watch, stat = self._watches[name], self._found[name]
        with self._opened(name) as file:
            where = self._elsewhere(name, file, stat)
        if where is not None:
            with self._lock:
                self._known.adopt(name, where)
        self._looked_at(name, watch, stat)

    def _elsewhere(self, name: str, file: BinaryIO, stat: Stat) -> str | int | None:
        """Where in what is known a file was followed under another name."""
        gone = frozenset(n for n in self._known.places if n not in self._found)
        known = [(w, o, p) for w, o, p in self._known.elsewhere(gone) if o != name]
        mine = [one for one in known if stat.is_file_of(one[2].stat)]
        for where, _, place in [*mine, *known[:_MOST_ELSEWHERE]]:
            known_by = stat.size >= place.offset and has_rows(place, self._sheet)
            if known_by and holds(file, place) is not None:
                return where
        return None

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        """The file as it was found; FileNotFoundError for another one."""
        with open_followed(self._pattern, name, self._secrets) as file:
            if Stat.of(os.fstat(file.fileno())) != self._found[name]:
                raise FileNotFoundError(name)
            yield file

    def _looked_at(self, name: str, watch: WatchedName, stat: Stat) -> None:
        if watch.stat != stat:
            watch.since_ns = self._keeper.mono_ns()
        if watch.is_held_elsewhere(stat):
            watch.hold(None)
        watch.stat, watch.seen, watch.tried = stat, True, None
        self._set(name, replace(self._known.place(name), stat=stat))

    def _set(self, name: str, place: FilePlace) -> None:
        with self._lock:
            self._known.places[name] = place

    # -- what left its name ------------------------------------------------------------------

    def _leave(self, name: str, watch: WatchedName, stop: threading.Event) -> None:
        """Read to its end what had a name, or report what was possibly not read."""
        stat, place = self._found.get(name), self._known.place(name)
        waiting = max(0, place.stat.size - place.offset) if place.stat else 0
        if watch.file is not None and watch.is_held_elsewhere(stat):
            if not self._drain(name, watch.file, stop):
                self._lose(name, place, waiting)
        elif path := has_rows(place, self._sheet) and find_renamed(name, place):
            if path not in self._found:
                with open_followed(self._pattern, path, self._secrets) as file:
                    self._drain(name, file, stop)
        elif waiting or (stat and not self._was_watched(watch, place, stat)):
            self._lose(name, place, waiting)
        watch.hold(None)
        if stat is None:
            watch.stat, watch.seen = None, True

    def _was_watched(self, watch: WatchedName, place: FilePlace, stat: Stat) -> bool:
        """Whether what was appended before it left was seen; `stat` is there now."""
        in_place = stat.is_file_of(place.stat)
        if not watch.seen:
            return in_place and stat.size >= place.offset
        old_ns = self._keeper.now_ns() - place.stat.mtime_ns if place.stat else 0
        return in_place or old_ns >= OPEN_S * SECOND_NS

    def _drain(self, name: str, file: BinaryIO, stop: threading.Event) -> bool:
        """Whether a file that nobody writes to under this name any more could be read."""
        try:
            size = os.fstat(file.fileno()).st_size
            if holds(file, self._known.place(name)) is None:
                with self._lock:  # it was rewritten just before it left
                    self._known.begin(name, Follows.CHANGED)
            while not stop.is_set() and self._has_room(name, size):
                if not self._take(name, file, size, Rest.GONE):
                    return True
            if not stop.is_set():
                self._pass_rest(name, file, size)
        except OSError:
            return False
        return True

    def _has_room(self, name: str, size: int) -> bool:
        return self._budget.has_room(size - self._known.place(name).offset)

    def _pass_rest(self, name: str, file: BinaryIO, size: int) -> None:
        """Declare what is above the budget and can't wait, for its file has left."""
        start = self._known.place(name).offset
        if start < size:
            why = "they came above the budget, and their file was replaced or deleted"
            self._journal.append([self._budget.declared(file, name, start, size, why)])

    def _lose(self, name: str, place: FilePlace, waiting: int) -> None:
        if not place.offset and not waiting:
            return
        words = f"{name}: what stood there behind byte {place.offset} was possibly not read"
        words += f" (at least {waiting} bytes)" if waiting else ""
        loss = FileLoss(self._keeper.now_ns(), name, place.offset, waiting, words)
        with self._lock:
            self._known.lose(loss)
        if self._known.lost & (self._known.lost - 1) == 0:  # or a file could fill the log
            _log.warning("%s: %s (loss %d)", self.path, words, self._known.lost)
        if self._budget.keeps(loss.payload()):
            self._append(Kind.NOTE, loss.payload())

    # -- what is new -------------------------------------------------------------------------

    def _follow(self, name: str, stop: threading.Event) -> None:
        """Take what is new in a file."""
        watch, stat, place = self._watches[name], self._found[name], self._known.place(name)
        every_s = max(CHECK_EVERY_S, place.offset / CHECK_BYTES_PER_S)
        checked_ago_ns = self._keeper.mono_ns() - watch.checked_ns
        if watch.unchecked and checked_ago_ns >= every_s * SECOND_NS:
            with self._opened(name) as file:
                if not self._holds(name, place, watch, file):
                    watch.unchecked = False
                    with self._lock:
                        self._known.begin(name, Follows.CHANGED)
        if self._known.place(name).offset == stat.size:
            return
        rest = self._rest(name, watch, stat)
        if watch.tried == (stat, rest):
            return
        with nullcontext(watch.file) if watch.file is not None else self._opened(name) as file:
            if self._take_all(name, file, stat.size, rest, stop):
                watch.tried = stat, rest
        self._set(name, replace(self._known.place(name), stat=stat))

    def _take_all(
        self, name: str, file: BinaryIO, size: int, rest: Rest, stop: threading.Event
    ) -> bool:
        """Whether nothing more can be taken now; what is imported gives way after a while."""
        imported = name in self._imported
        until = time.monotonic() + (LOOK_EVERY_S if imported else math.inf)
        while self._may_take(size - self._known.place(name).offset, stop, until):
            if not self._take(name, file, size, rest):
                return True
        self._gave_way |= imported and self._has_room(name, size)
        return False

    def _may_take(self, rest_bytes: int, stop: threading.Event, until: float) -> bool:
        left_s = until - time.monotonic()
        has_room = self._budget.has_room(rest_bytes)
        return has_room and left_s > 0 and self._pace.wait(stop, rest_bytes, left_s)

    def _rest(self, name: str, watch: WatchedName, stat: Stat) -> Rest:
        quiet_ns = self._keeper.mono_ns() - watch.since_ns
        if quiet_ns < RESTED_AFTER_S * SECOND_NS:
            return Rest.GROWING
        if self._ends_in_ns(watch, stat) <= 0 or self._another_follows(name, stat):
            return Rest.ENDED
        return Rest.RESTED

    def _ends_in_ns(self, watch: WatchedName, stat: Stat) -> int:
        """Until a last line counts without its end: by what was seen, or by the file's time."""
        quiet_ns = self._keeper.mono_ns() - watch.since_ns
        age_ns = self._keeper.now_ns() - stat.mtime_ns
        return int(ENDED_AFTER_S * SECOND_NS) - max(quiet_ns, age_ns)

    def _another_follows(self, name: str, stat: Stat) -> bool:
        """Whether a newer file of the pattern began after this one was changed last."""
        return any(
            other != name
            and found.mtime_ns > stat.mtime_ns
            and self._watches[other].begun_ns > stat.mtime_ns
            for other, found in self._found.items()
            if other in self._watches and other not in self._imported
        )

    def _take(self, name: str, file: BinaryIO, size: int, rest: Rest) -> bool:
        """One piece of a file that goes beyond what was read; whether there may be more."""
        known = self._known.place(name)
        place = reading_place(known, size, self._sheet)
        if place is None or size <= place.offset:
            return False
        copy = self._known.copy_of(name, place)
        found = next_piece(file, name, place, copy, size, rest, self._sheet)
        piece = found.piece if isinstance(found, Passed) else found
        if piece is None or piece.offset + len(piece.data) <= known.offset:
            return False
        gaps = []
        if isinstance(found, Passed):
            gaps = [self._budget.declared(file, name, found.start, piece.offset, found.why)]
        self._keep(piece, size, gaps)
        return True

    def _keep(self, piece: Piece, size: int, gaps: list[Entry]) -> None:
        """`gaps` declare what was passed by, in the same commit."""
        with self._lock:
            self._known.learn(piece)
        payload = pack_piece(piece)
        self._budget.spend(payload, size - piece.offset)
        self._append(Kind.RECORD, payload, gaps)
        self.taken += 1

    def _append(self, kind: Kind, payload: bytes, before: Iterable[Entry] = ()) -> None:
        with self._lock:
            self._waiting += 1
            known = self._known.copy_now()
        count = self._pace.appended(len(payload))

        def committed(places: list[EntryId]) -> None:
            with self._lock:
                self._waiting -= 1
                self._committed = known
            count(places)

        self._journal.append([*before, self._keeper.entry(kind, self.path, payload)], committed)

    def _view(
        self, name: str, place: FilePlace, stat: Stat | None, watch: WatchedName | None
    ) -> FileView:
        size = stat.size if stat else place.stat.size if place.stat else place.offset
        ends_ns = self._ends_in_ns(watch, stat) if stat and watch and size > place.offset else 0
        taken_ns = self._keeper.now_ns() + ends_ns if ends_ns > 0 else None
        return FileView(
            name, place.copy, place.line - 1, place.offset, size, taken_ns, stat is None
        )
