"""Any history of files: what their pieces say is what stood in them, and nothing is taken twice.

The model keeps each content that stood under a name when it was looked at. The pieces of a copy
must be the start of such a content, up to its last whole line at least, and the newest copy must
be all that stands there in the end.
"""

import os
import shutil
import tempfile
import threading
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.daemon.acquire.followed_files import HEAD, MemoryJournal, Plot, line_numbers, versions

from edaphon.journal import Kind
from edaphon_drivers.readings import Piece, unpack_piece

NAMES = ("log.csv", "log-1.csv", "log-2.csv", "away")
COUNT = st.integers(1, 3)


class Files(RuleBasedStateMachine):
    """Rows, torn ones too, are never the same twice: files are alike only if one is the other."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="follow-"))
        self.plot = Plot(self.folder, MemoryJournal())
        self.n = 0
        self.seen: set[bytes] = set()  # every content that was there at a look
        self.ends: set[bytes] = set()  # and what became of files by the time they went
        self.watched: set[int] = set()  # inodes of files that were looked at since the start
        self.left: set[bytes] = set()  # rows of watched files that went since the last look
        self.owed: set[bytes] = set()  # and before: they must have been read

    def teardown(self) -> None:
        if hasattr(self, "plot"):
            self.plot.stop()
            self.plot.journal.close()
            self.plot.state.close()
            shutil.rmtree(self.folder)

    # -- what happens to files -------------------------------------------------------------

    def rows(self, count: int) -> bytes:
        rows = []
        for _ in range(count):
            self.n += 1
            rows.append(b"2026-03-01 00:00:00,%d.00000000\n" % (10_000 + self.n))
        return b"".join(rows)

    def path(self, name: str) -> Path:
        return self.plot.folder / "data" / name

    def there(self) -> dict[str, bytes]:
        return {n: self.path(n).read_bytes() for n in NAMES if self.path(n).exists()}

    @rule(name=st.sampled_from(NAMES[:2]), count=COUNT, torn=st.integers(0, 8))
    def append(self, name: str, count: int, torn: int) -> None:
        """A file goes on, perhaps with a row that is not written to its end yet."""
        data = self.path(name).read_bytes() if self.path(name).exists() else b""
        more = b"" if data else HEAD
        if data and not data.endswith(b"\n"):
            more = b"7\n"
        more += self.rows(count)
        self.plot.write(name, more[: len(more) - torn] if torn else more)

    @rule(name=st.sampled_from(NAMES[:2]), count=COUNT)
    def replace(self, name: str, count: int) -> None:
        self.went(name)
        self.path("new.tmp").write_bytes(HEAD + self.rows(count))
        os.replace(self.path("new.tmp"), self.path(name))

    @rule(name=st.sampled_from(NAMES[:2]), count=COUNT)
    def rewrite(self, name: str, count: int) -> None:
        """Cut and written again in place: what was not seen before is gone for good."""
        self.changed(name)
        self.path(name).write_bytes(HEAD + self.rows(count))

    @rule(name=st.sampled_from(NAMES[:2]), at=st.integers(0, 300))
    def edit(self, name: str, at: int) -> None:
        """One digit of a number is put right in place."""
        if not self.path(name).exists():
            return
        self.changed(name)
        data = bytearray(self.path(name).read_bytes())
        places = [n for n in range(len(HEAD), len(data)) if data[n : n + 3] == b",10"]
        if places:
            with self.path(name).open("r+b") as file:
                file.seek(places[at % len(places)] + 1)
                file.write(b"9")

    @rule(pair=st.sampled_from([(0, 1), (1, 2), (0, 3), (3, 0), (1, 3), (2, 1)]))
    def rename(self, pair: tuple[int, int]) -> None:
        old, new = NAMES[pair[0]], NAMES[pair[1]]
        if self.path(old).exists():
            self.went(old)
            self.went(new)
            os.replace(self.path(old), self.path(new))

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if self.path(name).exists():
            self.went(name)
            self.path(name).unlink()

    def changed(self, name: str) -> None:
        """What a renamed file had is owed only as it stands there at the next look."""
        if self.path(name).exists():
            self.left -= set(self.path(name).read_bytes().split(b"\n"))

    def went(self, name: str) -> None:
        if self.path(name).exists():
            data = self.path(name).read_bytes()
            self.ends.add(data)
            if self.path(name).stat().st_ino in self.watched and name != "away":
                self.left |= set(data.split(b"\n"))

    # -- what the service does ---------------------------------------------------------------

    @rule(after_s=st.sampled_from([2, 2, 2, 11, 901, 3601]))
    def look(self, after_s: int) -> None:
        self.seen |= set(self.there().values())
        self.plot.clock.now += after_s * 10**9
        self.plot.follower.look(threading.Event())
        self.watched = {self.path(n).stat().st_ino for n in self.there() if n != "away"}
        self.owed |= self.left
        self.left = set()

    @rule()
    def commit(self) -> None:
        self.plot.journal.commit()

    @rule()
    def save(self) -> None:
        """As the service does it: the follower goes on while what came before is committed."""
        self.plot.save()

    @rule(power=st.booleans())
    def restart(self, power: bool) -> None:
        """With the state as it was saved last, however old."""
        if not power:
            self.plot.journal.lose()
            self.owed = set()
        self.watched, self.left = set(), set()
        self.plot.journal.commit()
        self.plot.start()

    def pieces(self) -> list[Piece]:
        """What is committed."""
        entries = self.plot.journal.entries
        return [unpack_piece(e.payload) for e in entries if e.kind == Kind.RECORD]

    # -- what must hold ----------------------------------------------------------------------

    def known(self) -> set[bytes]:
        return self.seen | self.ends | set(self.there().values())

    @invariant()
    def each_copy_is_the_start_of_a_content_and_lines_are_counted(self) -> None:
        if not hasattr(self, "plot"):
            return
        pieces = self.pieces()
        copies = versions(pieces)
        for key, data in copies.items():
            start = len(data) - len(data.lstrip(b"?"))  # read under another name up to there
            assert any(one[start:].startswith(data[start:]) for one in self.known()), (key, data)
        for key, lines in line_numbers(pieces).items():
            data = copies[key]
            if not data.startswith(b"?"):
                assert lines == data.count(b"\n") + (not data.endswith(b"\n")), key

    @precondition(lambda self: self.n)
    @rule()
    def settled(self) -> None:
        """Nothing is left out once all rests, and no row of a content was taken twice."""
        for after_s in (2, 901, 3700, 2):
            self.look(after_s)
        self.plot.journal.commit()
        taken: dict[str, dict[int, bytes]] = {}
        for (name, copy), data in versions(self.pieces()).items():
            taken.setdefault(name, {})[copy] = data
        for file in self.plot.follower.files():
            now = self.path(Path(file.name).name)
            if now.exists():
                assert file.offset == now.stat().st_size, file
                if file.copy in taken.get(file.name, {}):
                    data = taken[file.name][file.copy]
                    start = len(data) - len(data.lstrip(b"?"))
                    assert now.read_bytes()[start:].startswith(data[start:])
        rows = [row for piece in self.pieces() for row in piece.data.split(b"\n")]
        there = [d.split(b"\n") for name, d in self.there().items() if name != "away"]
        for row in {*self.owed, *(row for rows in there for row in rows)}:
            assert row in rows or row in HEAD, row


LONG = os.environ.get("EDAPHON_FAULTS") == "long"
Files.TestCase.settings = settings(
    max_examples=2000 if LONG else 60, stateful_step_count=40 if LONG else 25, deadline=None
)
TestFiles = Files.TestCase
