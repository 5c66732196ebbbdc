"""Any order of appends, commits, crashes and restarts keeps what was promised, once, in order."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.daemon.journal.entries import SetClock, commit, record

from edaphon.journal import Entry, EntryId, Journal, Kind, read_only


class JournalMachine(RuleBasedStateMachine):
    """The model is a list of entries; the first `promised` of them were acknowledged."""

    @initialize(largest_bytes=st.sampled_from([1, 60_000, 256_000_000]))
    def open(self, largest_bytes: int) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.folder, self.crashes = self.root / "0", 0
        self.largest_bytes = largest_bytes
        self.appended: list[Entry] = []
        self.promised = 0
        self.journal = self._opened()

    def _opened(self) -> Journal:
        return Journal(self.folder, SetClock(), self.largest_bytes)

    @rule(n=st.integers(1, 130), size=st.sampled_from([0, 20, 5000]))
    def append_and_wait(self, n: int, size: int) -> None:
        entries = [record(len(self.appended) + k, bytes(size)) for k in range(n)]
        self.appended += entries
        places = commit(self.journal, entries)
        self.promised = len(self.appended)
        assert self.journal.last == places[-1]
        assert [self.journal.entry(place) for place in places[:2]] == entries[:2]

    @rule(n=st.integers(1, 20))
    def append(self, n: int) -> None:
        entries = [record(len(self.appended) + k) for k in range(n)]
        self.appended += entries
        self.journal.append(entries)

    @rule()
    def close_and_open(self) -> None:
        self.journal.close()
        self.promised = len(self.appended)
        self.journal = self._opened()

    @rule()
    def crash(self) -> None:
        """Go on with what is on the disk in the middle of it all."""
        self.crashes += 1
        copy = self.root / str(self.crashes)
        copy.mkdir()
        for path in self.folder.iterdir():
            if not path.name.endswith(("-shm", ".lock")):
                shutil.copy2(path, copy / path.name)
        self.journal.close()
        self.folder = copy
        self.journal = self._opened()
        kept = [entry for _, entry in self.journal.scan()]
        assert len(kept) >= self.promised
        assert kept == self.appended[: len(kept)]
        self.appended, self.promised = kept, len(kept)

    @rule(place=st.integers(0, 300), limit=st.integers(1, 50))
    def read_from_anywhere(self, place: int, limit: int) -> None:
        every = list(read_only(self.folder).scan())
        start = every[min(place, len(every) - 1)][0] if every else None
        expected = [item for item in every if start is None or item[0] > start]
        assert self.journal.after(start, limit)[: len(expected[:limit])] == expected[:limit]

    @invariant()
    def every_promise_is_kept(self) -> None:
        found = list(self.journal.scan())
        assert [entry for _, entry in found] == self.appended[: len(found)]
        assert len(found) >= self.promised
        places = [place for place, _ in found]
        assert places == sorted(set(places))
        assert all(entry.kind != Kind.LOST for _, entry in found)
        for before, place in zip([EntryId(1, 0), *places], places, strict=False):
            assert place in {(before.file, before.n + 1), (before.file + 1, 1)}

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.root)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
