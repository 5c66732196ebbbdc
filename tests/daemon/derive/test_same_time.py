"""Rows of one time, copies of a file and lines without end: what stands, and what is counted."""

import os
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.derive.lives import T0, EnteredFacts, Life, MemoryJournal, folders
from tests.daemon.derive.test_pipeline import fact

from edaphon.config import read_config
from edaphon.derive.projection import known_as_of, values_then
from edaphon.facts import fact_of, to_payload
from edaphon.journal import Kind
from edaphon.model import EntryId
from edaphon.series import Contested
from edaphon.series.rows import contested
from edaphon.toml_input.lines import read_document
from edaphon_drivers.readings import Follows, Piece, pack_piece

EXAMPLES = int(os.environ.get("EDAPHON_EXAMPLES", "40"))
SECOND_NS = 10**9
# The first row's time, in whole seconds of the sheet's own format.
BEGIN_S = T0 // SECOND_NS // 86400 * 86400

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
form = "table"
separator = "comma"
column = [{ name = "X", output = "x" }, { name = "Y", output = "y" }]
time = { columns = ["Time"], formats = ["%s"], utc_offset = "+00:00" }
[[source]]
name = "log"
file = "/data/log.csv"
model = "own.csv"
"""
TEXT = TEXT.replace("%s", "%Y-%m-%d %H:%M:%S")
NAME = "/data/log.csv"
HEADER = b"Time,X,Y\n"

Row = tuple[int, float]  # second, number


def line_of(row: Row) -> bytes:
    when = datetime.fromtimestamp(BEGIN_S + row[0], UTC)
    return f"{when:%Y-%m-%d %H:%M:%S},{row[1]},{row[1] + 1}\n".encode()


@dataclass
class FileLife(EnteredFacts):
    """A plot with one followed file; what a person would call its rows is written down too."""

    copy: int = 0
    line: int = 1
    offset: int = 0
    # second -> (copy, demoted, place of the record, number) of each row in the order of the file
    rows: dict[int, list[tuple[int, bool, int, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    replaced: int = 0
    unended: tuple[int, bytes] | None = None

    def begin(self) -> None:
        self.config, config_errors = read_config(read_document("edaphon.toml", TEXT))
        assert self.config is not None, config_errors
        table = {"file": "edaphon.toml", "sha256": "", "text": TEXT}
        self.add(Kind.CONFIGURATION, "", orjson.dumps(table))
        self.learn(fact("plot", "P"))
        for output, depth in (("x", 5), ("y", 10)):
            own = {"quantity": "soil_temperature", "unit": "degC", "plot": "P", "depth_cm": depth}
            self.learn(fact("channel", output, **own))
            fed = {"channel": output, "source": "file/log", "output": output}
            self.learn(fact("deployment", f"d-{output}", **fed))
        self.know_clock()

    def piece(self, rows: list[Row], new_copy: bool = False, unended: bool = False) -> None:
        """Rows appended to the file, or those of another file under its name."""
        place = EntryId(1, len(self.entries) + 1).number
        begins = new_copy or not self.copy
        if begins:
            self.copy, self.line, self.offset, self.unended = self.copy + 1, 1, len(HEADER), None
        follows = Follows.BEGINS if begins else Follows.AGAIN if self.unended else Follows.ON
        data = b""
        if self.unended:
            self.line, data = self.line - 1, self.unended[1] + b"\n"
            self._row((self.unended[0], float(data.split(b",")[1])), False, place)
        data += b"".join(map(line_of, rows))
        lines = data.count(b"\n") + begins
        unended = unended and bool(rows)
        data = data[:-1] if unended else data
        piece = Piece(
            NAME, self.offset, HEADER, data, self.line, lines, self.copy, follows, begins, unended
        )
        self.add(Kind.RECORD, "file/log", pack_piece(piece))
        for row in rows[: len(rows) - unended]:
            self._row(row, False, place)
        self.unended = None
        if unended:
            self._row(rows[-1], True, place)
            self.unended = rows[-1][0], line_of(rows[-1])[:-1]
        self.line, self.offset = self.line + lines, self.offset + len(data)

    def _row(self, row: Row, demoted: bool, place: int) -> None:
        self.rows[row[0]].append((self.copy, demoted, place, row[1]))

    def replace(self, copy: int) -> None:
        self.learn(fact("replacement", f"r{copy}", source="file/log", file=NAME, copy=copy))
        self.replaced = max(self.replaced, copy)

    def expected(self) -> tuple[dict[int, float], Contested]:
        """What stands by second, and what is counted besides, of one channel."""
        stands, lost = {}, Contested()
        for second, own in self.rows.items():
            ranked = sorted(
                range(len(own)),
                key=lambda at: (own[at][1] or own[at][0] < self.replaced, own[at][2], at),
            )
            first = own[ranked[0]]
            stands[second] = first[3]
            for at in ranked[1:]:
                copy, demoted, _, number = own[at]
                if number == first[3]:
                    lost = lost.plus(Contested(repeats=1))
                elif demoted or copy < self.replaced:
                    lost = lost.plus(Contested(replaced=1))
                else:
                    lost = lost.plus(Contested(conflicts=1))
        return stands, lost


def life_of(folder: Path, plot: EnteredFacts) -> Life:
    journal = MemoryJournal(plot.entries)
    journal.shown = len(plot.entries)
    return Life(folder, journal)


def standing(life: Life, channel: str = "x") -> dict[int, float]:
    runs = life.series.read(channel, 0, 2**62)
    return {
        int(t // SECOND_NS) - BEGIN_S: float(v)
        for run in runs
        for t, v in zip(run.time_ns.tolist(), run.value.tolist(), strict=True)
    }


def expect(life: Life, plot: FileLife) -> None:
    stands, lost = plot.expected()
    assert standing(life) == stands
    assert {s: v - 1 for s, v in standing(life, "y").items()} == pytest.approx(stands)
    for channel in "xy":
        assert life.series.count_conflicts(channel) == lost
        of_all = [contested(c) for c in life.series.conflicts(channel)]
        assert tuple(map(sum, zip(Contested(), *of_all, strict=True))) == lost
        n = life.series.count(channel) + sum(lost)
        assert life.deriver.state.derived.get(channel, 0) == n


def started(*pieces: list[Row]) -> FileLife:
    plot = FileLife()
    plot.begin()
    for rows in pieces:
        plot.piece(rows)
    return plot


def test_the_first_of_two_rows_of_one_time_stands_and_the_other_is_counted(tmp_path: Path) -> None:
    plot = started([(0, 8.2), (1800, 8.1), (0, 7.9), (1800, 7.8), (3600, 7.7)])
    life = life_of(tmp_path, plot)
    life.settle()
    assert standing(life) == {0: 8.2, 1800: 8.1, 3600: 7.7}
    assert [(c.ordinal, c.raw, c.agrees) for c in life.series.conflicts("x")] == [
        (1, 7.9, 0),
        (1, 7.8, 0),
    ]
    assert life.deriver.state.derived == {"x": 5, "y": 5}
    expect(life, plot)
    life.close()


def test_the_same_number_twice_is_a_repeat_and_no_conflict(tmp_path: Path) -> None:
    plot = started([(0, 8.2), (0, 8.2), (0, 8.3)])
    life = life_of(tmp_path, plot)
    life.settle()
    assert life.series.count_conflicts("x") == Contested(conflicts=1, repeats=1)
    life.close()


def test_whether_a_row_agrees_is_asked_of_the_one_that_stands_at_last(tmp_path: Path) -> None:
    plot = started([(0, 1.0)])
    plot.piece([(0, 2.0)], new_copy=True)
    plot.piece([(0, 2.0)], new_copy=True)
    life = life_of(tmp_path, plot)
    life.settle()
    assert life.series.count_conflicts("x") == Contested(conflicts=2)
    plot.replace(2)
    life.restart(True)
    life._journal.shown = len(plot.entries)
    life.settle()
    assert life.series.count_conflicts("x") == Contested(repeats=1, replaced=1)
    expect(life, plot)
    life.close()


def test_a_later_copy_stands_once_a_person_says_so_and_not_before(tmp_path: Path) -> None:
    plot = started([(n, float(n)) for n in range(10)])
    plot.piece([(n, n + 0.5) for n in range(5)], new_copy=True)
    life = life_of(tmp_path, plot)
    life.settle()
    life.deliver()
    assert standing(life)[0] == 0.0
    assert life.series.count_conflicts("x") == Contested(conflicts=5)
    plot.replace(2)
    life._journal.shown = len(plot.entries)
    life.settle()
    life.deliver()
    assert standing(life) == {n: n + 0.5 if n < 5 else float(n) for n in range(10)}
    assert life.series.count_conflicts("x") == Contested(replaced=5)
    assert life.sink.points == life.rows()
    expect(life, plot)
    plot.learn(fact("revocation", "back", of="r2", why="it was the wrong file"))
    life._journal.shown = len(plot.entries)
    plot.replaced = 0
    life.settle()
    life.deliver()
    assert life.sink.points == life.rows()
    expect(life, plot)
    life.close()


def test_a_replacement_is_not_known_before_it_was_entered(tmp_path: Path) -> None:
    plot = started([(0, 1.0), (1, 1.0)])
    plot.piece([(0, 2.0)], new_copy=True)
    plot.minute += 60
    before = T0 + plot.minute * 60 * SECOND_NS - SECOND_NS
    plot.replace(2)
    life = life_of(tmp_path, plot)
    life.settle()
    life.flush()
    assert standing(life)[0] == 2.0
    journal: Any = life._journal
    known = known_as_of(journal, life.series, before)
    assert known is not None
    scratch = tmp_path / "then"
    runs = list(values_then(journal, life.series, known, "x", 0, 2**62, scratch))
    assert sorted(v for run in runs for v in run.value.tolist()) == [1.0, 1.0]
    life.close()


def test_a_line_without_its_end_gives_way_to_the_whole_line(tmp_path: Path) -> None:
    plot = started()
    plot.piece([(0, 4.2), (60, 4.1)], unended=True)
    life = life_of(tmp_path, plot)
    life.settle()
    assert standing(life) == {0: 4.2, 60: 4.1}
    # the line was torn within its number
    assert plot.unended is not None
    plot.unended = 60, plot.unended[1].replace(b"4.1,", b"4.15,")
    plot.piece([(120, 4.0)])
    life._journal.shown = len(plot.entries)
    life.settle()
    assert standing(life) == {0: 4.2, 60: 4.15, 120: 4.0}
    account = life.deriver.state.files["file/log"].files[NAME]
    assert (account.lines, account.counts.rows, account.counts.headers) == (4, 3, 1)
    flags = [f for run in life.series.read("x", 0, 2**62) for f in run.source_flag.tolist()]
    assert max(flags) < 16  # none was judged without its neighbours
    life.close()


@pytest.mark.parametrize("second", [{"output": "t"}, {"channel": "warm", "max_age": "10s"}])
def test_the_second_input_of_a_row_is_that_of_the_same_row(tmp_path: Path, second: Any) -> None:
    plot = FileLife()
    text = TEXT.replace('"y", quantity = "soil_temperature"', '"t", quantity = "soil_temperature"')
    text = text.replace('output = "y"', 'output = "t"')
    text = text.replace(
        '"x", quantity = "soil_temperature", unit = "degC"',
        '"x", quantity = "bulk_electrical_conductivity", unit = "uS/cm"',
    )
    plot.config, config_errors = read_config(read_document("edaphon.toml", text))  # type: ignore[assignment]
    assert plot.config is not None, config_errors
    plot.add(Kind.CONFIGURATION, "", orjson.dumps({"file": "e", "sha256": "", "text": text}))
    plot.know_clock()
    quantity = {"quantity": "bulk_electrical_conductivity_25c", "unit": "uS/cm"}
    keys = {"channel": "ec25", "curve": "conductivity_at_25", "second": second}
    facts = [
        fact("channel", "ec25", **quantity, depth_cm=5),
        fact("channel", "warm", quantity="soil_temperature", unit="degC", depth_cm=5),
        fact("deployment", "dx", channel="ec25", source="file/log", output="x"),
        fact("deployment", "dt", channel="warm", source="file/log", output="t"),
        fact("calibration", "c", parameters={}, **keys),
    ]
    for table in facts:  # each alone would contradict what is known
        plot.add(Kind.FACT, "", to_payload(fact_of(table), "", "", "facts.toml", "me"))
    plot.piece([(0, 24.0), (3600, 9.0), (7200, 34.0)])  # 25, 10 and 35 degC
    life = life_of(tmp_path, plot)
    life.settle()
    found = standing(life, "ec25")
    assert found[0] == pytest.approx(24.0)
    assert found[3600] > 9.0 * 1.2
    assert found[7200] < 34.0 / 1.1
    life.close()


@st.composite
def file_lives(draw: st.DrawFn) -> FileLife:
    plot = started()
    seconds = st.integers(0, 12)
    numbers = st.sampled_from([1.0, 2.0, 3.5])
    for _ in range(draw(st.integers(1, 6))):
        rows = draw(st.lists(st.tuples(seconds, numbers), min_size=1, max_size=8))
        plot.piece(rows, draw(st.booleans()), draw(st.booleans()))
        if plot.copy > 1 and draw(st.integers(0, 2)) == 0:
            plot.replace(draw(st.integers(2, plot.copy)))
    return plot


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    plot=file_lives(),
    limits=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    kills=st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=3),
)
def test_splits_kills_and_rebuilds_give_the_rows_and_conflicts_of_one_batch(
    plot: FileLife, limits: list[int], kills: list[tuple[int, bool]]
) -> None:
    with folders() as folder:
        life = life_of(folder, plot)
        journal, turns, ends = life._journal, 0, dict(kills)
        journal.shown = 0
        while journal.shown < len(plot.entries) or life.turn(limits[turns % len(limits)]):
            journal.shown = min(len(plot.entries), journal.shown + limits[turns % len(limits)])
            turns += 1
            life.turn(limits[turns % len(limits)])
            if turns in ends:
                life.deliver(2, 3)
                life.restart(ends[turns])
        expect(life, plot)
        life.deliver()
        assert life.sink.points == life.rows()
        found = life.reported()
        files = {p: f.to_json() for p, f in life.deriver.state.files.items()}
        life.deriver.derive_all_again()
        life.settle()
        assert life.reported() == found
        assert {p: f.to_json() for p, f in life.deriver.state.files.items()} == files
        life.close()
