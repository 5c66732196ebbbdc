"""Any history of files, over the whole line: what a person would call a row is in the series once.

Files on disk, follower, journal, deriver, series and `verify`'s recount are real; what a person
would read is a model of its own (`file_watcher`, `file_reader`).
"""

import os
import shutil
import tempfile
import threading
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.daemon.acquire.followed_files import Clock, no_wait
from tests.daemon.derive.lives import EnteredFacts, Life, folders
from tests.daemon.derive.test_pipeline import fact
from tests.stories.file_reader import ABSENT, FORMS, Form, is_names, lines_of, text_of
from tests.stories.file_watcher import Disk, Watcher

from edaphon.acquire.budget import Budgets, Floods
from edaphon.acquire.file_pieces import FileBudget
from edaphon.acquire.files import Follower
from edaphon.acquire.slots import Timekeeper
from edaphon.config import read_config
from edaphon.derive.decode import last_sources
from edaphon.derive.pipeline import counted_files
from edaphon.derive.plan import read_fact_log
from edaphon.journal import Journal, Kind, StateFile
from edaphon.journal.fact_log import recalled
from edaphon.model import EntryId
from edaphon.series import contested
from edaphon.toml_input.lines import read_document
from edaphon_drivers.files import cutting
from edaphon_drivers.files import lines as line_account

USUAL = cutting.PIECE_BYTES, line_account.SLICE_READINGS
NAMES = ("log.csv", "log-1.csv", "away")
PATTERN = frozenset(NAMES[:2])
SECOND = 10**9
PATH = "file/log"
MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-8-sig": b"\xef\xbb\xbf"}
CODECS = ("utf-8", "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "latin-1")
LONG = os.environ.get("EDAPHON_FAULTS") == "long"

TEXT = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/nowhere"
[model."own.csv"]
title = "own"
engine = "file"
output = [
  { name = "x", quantity = "soil_temperature", unit = "degC" },
  { name = "y", quantity = "soil_temperature", unit = "degC" },
]
[model."own.csv".frame]
FRAME
[[source]]
name = "log"
file = "FOLDER/*.csv"
model = "own.csv"
"""


class HoldingJournal:
    """A real journal before which entries wait until a test commits them, or the power goes."""

    def __init__(self, journal: Journal) -> None:
        self.real = journal
        self.waiting = []

    def append(self, entries, done=None) -> None:
        self.waiting.append((entries, done))

    def commit(self) -> None:
        waiting, self.waiting = self.waiting, []
        for entries, done in waiting:
            self.real.append(entries, done)
        if waiting:
            committed = threading.Event()
            self.real.append([], lambda _: committed.set())
            assert committed.wait(20)

    def lose(self) -> None:
        self.waiting = []

    def __getattr__(self, name):
        return getattr(self.real, name)


class Logger:
    """The service with one followed source, in a folder; and what the file's owner writes there."""

    def __init__(self, folder: Path, form: Form) -> None:
        self.folder, self.form = folder, form
        (folder / "data").mkdir()
        (folder / "series").mkdir()
        self.clock = Clock()
        self.keeper = Timekeeper(self.clock, "boot")
        self.journal = HoldingJournal(Journal(folder / "journal", self.clock))
        self.state = StateFile(folder)
        self._report()
        self.follower: Follower | None = None
        self.start()
        self.life = Life(folder / "series", self.journal)

    def _report(self) -> None:
        text = TEXT.replace("FRAME", self.form.frame).replace("FOLDER", str(self.folder / "data"))
        config, config_errors = read_config(read_document("edaphon.toml", text))
        assert config is not None, config_errors
        self.sheet = config.sheet(config.sources[0])
        plot = EnteredFacts(config=config)
        table = {"file": "edaphon.toml", "sha256": "", "text": text}
        plot.add(Kind.CONFIGURATION, "", orjson.dumps(table))
        plot.learn(fact("plot", "P"))
        for output, depth in (("x", 5), ("y", 10)):
            own = {"quantity": "soil_temperature", "unit": "degC", "plot": "P", "depth_cm": depth}
            plot.learn(fact("channel", output, **own))
            fed = {"channel": output, "source": PATH, "output": output}
            plot.learn(fact("deployment", f"d-{output}", **fed))
        entries = [self.keeper.entry(e.kind, "", e.payload) for e in plot.entries]
        self.journal.append([*entries, self.keeper.clock_entry("test", 1)])
        self.journal.commit()

    def start(self) -> None:
        if self.follower is not None:
            self.follower.close()
        pattern = self.folder / "data" / "*.csv"
        floods = Floods(self.journal, self.state, self.keeper)
        budget = FileBudget(PATH, Budgets(2**40, 2**40, 1, lambda: 2**50), floods)
        own = self.sheet, self.journal, self.keeper, self.state
        self.follower = Follower(PATH, pattern, *own, no_wait(), budget)

    def look(self, after_s: float) -> None:
        self.clock.now += int(after_s * SECOND)
        stop = threading.Event()
        self.follower.look(stop)

    def close(self) -> None:
        self.follower.close()
        self.life.close()
        self.journal.close()
        self.state.close()

    # -- what it came to ---------------------------------------------------------------------

    def accounts(self) -> dict[str, dict[str, int]]:
        files = self.life.deriver.state.files.get(PATH)
        found = {}
        for name, account in files.accounts() if files else ():
            assert account.closes, (name, account)
            found[Path(name).name] = {k: n for k, n in account.counts._asdict().items() if n}
        return found

    def recount(self) -> None:
        """As `verify` does it."""
        life, end = self.life, self.journal.last
        sources = last_sources(read_fact_log(self.journal, life.series))
        kinds = {Kind.RECORD, Kind.CLOCK, Kind.CONFIGURATION}
        items = (i for i in self.journal.scan(sources={"", PATH}, kinds=kinds) if i[0] <= end)
        counted = counted_files(items, sources, partial(recalled, self.journal))
        live = {path: files.to_json() for path, files in life.deriver.state.files.items()}
        assert {path: files.to_json() for path, files in counted.items()} == live

    def rebuilt(self) -> None:
        with folders() as folder:
            other = Life(folder, self.journal)
            other.settle()
            assert other.rows() == self.life.rows()
            assert all_conflicts(other) == all_conflicts(self.life)
            mine, others = self.life.deriver.state, other.deriver.state
            assert {k: v.to_json() for k, v in others.files.items()} == {
                k: v.to_json() for k, v in mine.files.items()
            }
            assert others.derived == mine.derived
            other.close()


def all_conflicts(life: Life):
    return sorted(life.series.conflicts(), key=lambda c: c.key)


class Histories(RuleBasedStateMachine):
    """Rows have times and numbers of their own unless something is doubled on purpose."""

    @initialize(
        form=st.sampled_from(FORMS),
        codec=st.sampled_from(CODECS),
        end=st.sampled_from(["\n", "\n", "\r\n", "\r"]),
        small=st.booleans(),
    )
    def begin(self, form: Form, codec: str, end: str, small: bool) -> None:
        cutting.PIECE_BYTES, line_account.SLICE_READINGS = (200, 3) if small else USUAL
        self.folder = Path(tempfile.mkdtemp(prefix="files-"))
        self.form, self.codec, self.end = form, codec, end
        self.logger = Logger(self.folder, form)
        self.disk, self.watcher = Disk(), Watcher(form, PATTERN)
        self.committed = self.watcher.snapshot()
        self.codecs: dict[str, tuple[str, str]] = {}
        self.texts: list[str] = []
        self.n, self.failed, self.copied, self.restarted = 0, False, False, False

    def teardown(self) -> None:
        cutting.PIECE_BYTES, line_account.SLICE_READINGS = USUAL
        if not hasattr(self, "logger"):
            return
        try:
            if self.n and not self.failed:
                self.settled()
        finally:
            self.logger.close()
            shutil.rmtree(self.folder)

    # -- what loggers and people write ---------------------------------------------------------

    @property
    def now(self) -> float:
        return self.logger.clock.now / SECOND

    def rows(self, count: int) -> list[str]:
        rows = []
        for _ in range(count):
            self.n += 1
            rows.append(self._row(self.n, self.n))
        self.texts += rows
        return rows

    def _row(self, n: int, number: int) -> str:
        # the zone's rows cross the doubled hour of 25 October 2020
        utc_s = (1_603_578_600 if self.form.zone else 1_583_020_800) + 600 * n
        x, y = f"{number / 100:.2f}", f"{number / 100 + 20:.2f}"
        return self.form.row(self.form.local(utc_s), n, x, y)

    def put(self, name: str, data: bytes, fresh: bool = False) -> None:
        if self._unreadable(name, data):
            return
        path = self.folder / "data" / name
        if fresh:
            other = self.folder / "data" / "new.tmp"
            other.write_bytes(data)
            os.replace(other, path)
        else:
            before = self.data(name)
            if before and data.startswith(before):
                with path.open("ab") as file:
                    file.write(data[len(before) :])
            else:
                path.write_bytes(data)
        self.disk.write(name, data, self.now, fresh)
        now_ns = self.logger.clock.wall_ns()
        os.utime(path, ns=(now_ns, now_ns))

    def _unreadable(self, name: str, data: bytes) -> bool:
        """What leaves several answers: which end lines have, which processing a TOA5 names."""
        mark = data[:2] if data[:2] in MARKS.values() else b""
        of_two = self.codecs.get(name, ("", self.end))[1] == "\r\n"
        text = text_of(data[len(mark) :] + "x".encode("utf-16-le" if mark else "utf-8"), mark)
        if of_two and "\r" in text and "\n" not in text:
            return True
        if self.form.name != "toa5":
            return False
        texts = [text_of(line, mark) for line in lines_of(data)]
        heads = [at for at, text in enumerate(texts) if is_names(text, self.form)]
        below = [(head + n, self.form.head[n]) for head in heads for n in (2, 3)]
        last = len(texts) - 1
        return any(
            texts[at] != line
            and texts[at][:3] != '"20'
            and not (at == last and self._is_torn_units(texts[at]))
            for at, line in below
            if at <= last
        )

    def _is_torn_units(self, text: str) -> bool:
        return self.form.head[2].startswith(text)

    def data(self, name: str) -> bytes:
        return self.disk.files[name].data if name in self.disk.files else b""

    def coded(self, name: str, lines: list[str]) -> bytes:
        codec, end = self.codecs.get(name, (self.codec, self.end))
        text = "".join(line + end for line in lines)
        return text.encode("utf-8" if codec == "utf-8-sig" else codec, "replace")

    def whole(self, name: str, count: int) -> bytes:
        """A new file."""
        codec, _ = self.codecs.get(name, (self.codec, self.end))
        lines = [*self.form.head, *self.rows(count)]
        return MARKS.get(codec, b"") + self.coded(name, lines)

    def add(self, name: str, lines: list[str], torn: int = 0) -> None:
        """Append lines; the last without its last bytes."""
        data, more = self.data(name), b""
        if not data:
            more = self.whole(name, 0)
        more += self.coded(name, lines)
        self.put(name, data + more[: max(0, len(more) - torn)])

    name = st.sampled_from(NAMES[:2])

    @rule(name=name, count=st.integers(1, 4), torn=st.sampled_from([0, 0, 0, 1, 2, 3, 5, 9, 30]))
    def append(self, name: str, count: int, torn: int) -> None:
        self.add(name, self.rows(count), torn)

    @rule(name=name, kind=st.integers(0, 15), torn=st.sampled_from([0, 0, 0, 1, 4]))
    def append_odd(self, name: str, kind: int, torn: int) -> None:
        """Lines as they come from real files."""
        first, second, third = self.rows(3)
        sep = self.form.separator
        earlier = self.texts[-7:-3] or [first]
        odd = [
            [""],
            [sep * 3],
            [first + sep],
            [first + sep + "7"],
            [first.rsplit(sep, 1)[0]],
            [first.rsplit(sep, 1)[0] + sep + self.form.missing[1].replace(".", self.form.decimal)],
            [first.rsplit(sep, 1)[0] + sep + "NAN", second],
            [first.rsplit(sep, 1)[0] + sep + "7a1"],
            [self._row(self.n - 2, self.n + 500), second],
            ["# a note 7", first],
            [first.replace("2020", "2020", 1).replace("-03-", "-13-").replace("/03/", "/13/")],
            [first.split(" ")[0].split("\t")[0] + sep + sep.join(first.split(sep)[1:])],
            [*self.form.head, first],
            ['"' + first, second],
            [second, first, third],
            [*earlier, first],
        ][kind]
        self.add(name, odd, torn)

    @rule(name=name, count=st.integers(1, 40), row=st.booleans())
    def append_nul(self, name: str, count: int, row: bool) -> None:
        if not self.data(name):
            return
        nul = b"\0" * (
            count * 2 if self.codecs.get(name, (self.codec,))[0][:6] == "utf-16" else count
        )
        self.put(name, self.data(name) + nul + (self.coded(name, self.rows(1)) if row else b""))

    @rule(name=name, at=st.integers(0, 200))
    def append_part(self, name: str, at: int) -> None:
        """A piece of a row at any byte."""
        row = self.coded(name, self.rows(1))
        if self.data(name):
            self.put(name, self.data(name) + row[: at % len(row)])

    # -- what people and programs do to files ----------------------------------------------------

    @rule(
        name=name,
        count=st.integers(0, 4),
        codec=st.sampled_from(CODECS),
        end=st.sampled_from(["\n", "\r\n", "\r"]),
        fresh=st.booleans(),
    )
    def rewrite(self, name: str, count: int, codec: str, end: str, fresh: bool) -> None:
        """Another file, cut and written in place or renamed over, perhaps in another encoding."""
        self.codecs[name] = codec, end
        self.put(name, self.whole(name, count), fresh)

    @rule(name=name, fresh=st.booleans(), codec=st.sampled_from(CODECS))
    def reencode(self, name: str, fresh: bool, codec: str) -> None:
        """The same lines as another program saves them."""
        old, end = self.codecs.get(name, (self.codec, self.end))
        data = self.data(name)
        if data.count(b"\0") and old[:6] != "utf-16":
            return
        text = data.removeprefix(MARKS.get(old, b"")).decode(
            "utf-8" if old == "utf-8-sig" else old, "replace"
        )
        self.codecs[name] = codec, end
        plain = "utf-8" if codec == "utf-8-sig" else codec
        if data:
            self.put(name, MARKS.get(codec, b"") + text.encode(plain, "replace"), fresh)

    @rule(name=name, cut=st.integers(1, 300))
    def truncate(self, name: str, cut: int) -> None:
        data = self.data(name)
        if len(data) > cut + 8:
            self.put(name, data[:-cut])

    @rule(name=name, at=st.integers(0, 500), digit=st.sampled_from(b"0123456789"))
    def edit(self, name: str, at: int, digit: int) -> None:
        """One digit is put right in place."""
        data = bytearray(self.data(name))
        places = [
            at
            for at in range(1, len(data))
            if data[at] in b"0123456789"
            and data[at - 1] in (b":," if self.form.name == "semicolon" else b":.,")
        ]
        if places:
            data[places[at % len(places)]] = digit
            self.put(name, bytes(data))

    @rule(name=name, at=st.integers(0, 50), fresh=st.booleans())
    def swap_lines(self, name: str, at: int, fresh: bool) -> None:
        data = self.data(name)
        lines = lines_of(data)
        start = len(self.form.head) + 1
        if len(lines) > start + 2:
            n = start + at % (len(lines) - start - 1)
            lines[n - 1], lines[n] = lines[n], lines[n - 1]
            mark = data[: len(data) - sum(map(len, lines))]
            self.put(name, mark + b"".join(lines), fresh)

    @rule(pair=st.sampled_from([(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]))
    def rename(self, pair: tuple[int, int]) -> None:
        old, new = NAMES[pair[0]], NAMES[pair[1]]
        if old in self.disk.files:
            os.replace(self.folder / "data" / old, self.folder / "data" / new)
            self.disk.files[new] = self.disk.files.pop(old)
            self.disk.files[new].moves += 1
            if old in self.codecs:
                self.codecs[new] = self.codecs[old]
            else:
                self.codecs.pop(new, None)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if name in self.disk.files:
            (self.folder / "data" / name).unlink()
            self.disk.files.pop(name)

    @rule(pair=st.sampled_from([(0, 1), (1, 0), (0, 2)]))
    def copy(self, pair: tuple[int, int]) -> None:
        """A copy that goes on with a row of its own."""
        old, new = NAMES[pair[0]], NAMES[pair[1]]
        if (data := self.data(old)) and not self.restarted:
            self.copied = True
            self.codecs[new] = self.codecs.get(old, (self.codec, self.end))
            self.put(new, data + self.coded(new, self.rows(1)), True)

    # -- what the service does ---------------------------------------------------------------------

    @rule(after_s=st.sampled_from([2, 2, 2, 2, 11, 30, 901, 3601, 93_600]))
    def look(self, after_s: int) -> None:
        self.logger.look(after_s)
        self.watcher.look(self.disk, self.now)
        if self.watcher.is_known_by_state():
            self.commit()
            self.save()

    @rule()
    def commit(self) -> None:
        self.logger.journal.commit()
        self.committed = self.watcher.snapshot()

    @rule()
    def save(self) -> None:
        self.logger.follower.save(self.logger.journal.last or EntryId(0, 0))

    @rule(limit=st.sampled_from([1, 3, 4000]), turns=st.integers(1, 4))
    def derive(self, limit: int, turns: int) -> None:
        for _ in range(turns):
            self.logger.life.turn(limit)

    @rule(power=st.booleans(), flushed=st.booleans())
    def restart(self, power: bool, flushed: bool) -> None:
        """In order, or by a kill that costs what was not committed; the state is as saved last."""
        if self.copied:  # which of two equal files is which, nobody knows after that
            return
        if power:
            self.logger.journal.lose()
            self.watcher.restore(self.committed)
        else:
            self.commit()
        self.logger.life.restart(flushed)
        self.logger.start()
        self.watcher.restart()
        self.restarted = True

    # -- what must hold -----------------------------------------------------------------------

    @precondition(lambda self: self.n)
    @rule()
    def settled(self) -> None:
        self.failed = True
        self._settle()
        self.failed = False

    def _settle(self) -> None:
        for after_s in (2, 12, 3700, 2):
            self.look(after_s)
        self.commit()
        self.logger.life.settle()
        expected = {
            name: {
                "headers" if kind == "header" else "rows" if kind == "row" else kind: n
                for kind, n in own.items()
            }
            for name, own in self.watcher.account().items()
        }
        accounts = self.logger.accounts()
        assert accounts == {name: own for name, own in expected.items() if own}, (
            accounts,
            expected,
        )
        self._rows()
        self.logger.recount()
        self.logger.rebuilt()

    def _rows(self) -> None:
        life = self.logger.life
        for at, channel in enumerate("xy"):
            by_time = defaultdict(list)
            for taken in self.watcher.rows():
                if taken.row[1][at] != ABSENT:
                    by_time[taken.row[0] * SECOND].append(taken)
            current = {}
            for run in life.series.read(channel, 0, 2**62):
                for time_ns, raw in zip(run.time_ns.tolist(), run.raw.tolist(), strict=True):
                    assert time_ns not in current
                    current[time_ns] = None if raw != raw else raw
            lost = Counter()
            lost_numbers = defaultdict(list)
            for conflict in life.series.conflicts(channel):
                lost += Counter(contested(conflict)._asdict())
                lost_numbers[conflict.time_ns].append(conflict.raw)
            assert current.keys() == by_time.keys(), (current, by_time)
            expected_lost = Counter()
            for time_ns, candidates in by_time.items():
                numbers = [c.row[1][at] for c in candidates]
                key = str
                got = sorted([current[time_ns], *lost_numbers[time_ns]], key=key)
                assert got == sorted(numbers, key=key), (channel, time_ns, candidates)
                best = min((c.torn, c.order[:2]) for c in candidates)
                first = [c for c in candidates if (c.torn, c.order[:2]) == best]
                if best[1][1]:  # else two files were read to their ends in one look
                    first = [min(first, key=lambda c: c.order)]
                standing = current[time_ns]
                assert standing in {c.row[1][at] for c in first}, (channel, time_ns, candidates)
                expected_lost["repeats"] += numbers.count(standing) - 1
                others = [c for c in candidates if c.row[1][at] != standing]
                expected_lost["replaced"] += sum(c.torn for c in others)
                expected_lost["conflicts"] += sum(not c.torn for c in others)
            assert +lost == +expected_lost, channel
            derived = life.deriver.state.derived.get(channel, 0)
            assert derived == len(current) + sum(lost.values())


Histories.TestCase.settings = settings(
    max_examples=2200 if LONG else 60,
    stateful_step_count=40 if LONG else 20,
    deadline=None,
    derandomize=not LONG,  # the same histories in each CI run; the campaign draws new ones
)
TestHistories = Histories.TestCase
