"""The account of a file's lines: it closes, it stays small, and it is kept over restarts."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from tests.daemon.derive.test_same_time import HEADER, NAME, TEXT, FileLife, life_of, started

from edaphon.derive.decode import Sources
from edaphon.derive.deriver import Deriver
from edaphon.derive.files import LATEST_FILES, LATEST_REFUSED, FileAccount, SourceFiles
from edaphon.derive.pipeline import LostLine, Pipeline
from edaphon.derive.plan import Plan
from edaphon.derive.state import PipelineState
from edaphon.journal import Entry, Kind
from edaphon.model import EntryId
from edaphon_drivers.faults import Refused
from edaphon_drivers.files.lines import FIRST, Context, LineCounts, RefusedLine, Slice
from edaphon_drivers.readings import Follows, Piece, pack_piece

GOOD, BAD = b"2026-09-01 10:00:%02d,4.0,5.0\n", b"2026-09-01,4.1,5.1\n"


def piece(data: bytes, line: int = 1, **more: Any) -> Piece:
    lines = data.count(b"\n") + (line == 1)
    begins = {"follows": Follows.BEGINS, "headed": True} if line == 1 else {}
    own = {"name": NAME, "offset": len(HEADER), "copy": 1, **begins, **more}
    return Piece(header=HEADER, data=data, line=line, lines=lines, **own)


def lived(*pieces: Piece) -> FileLife:
    plot = started()
    for one in pieces:
        plot.add(Kind.RECORD, "file/log", pack_piece(one))
    return plot


def account_of(tmp_path: Any, plot: FileLife, name: str = NAME) -> FileAccount:
    life = life_of(tmp_path, plot)
    life.settle()
    life.restart(flushed=True)
    life.close()
    return life.deriver.state.files["file/log"].files[name]


def test_every_line_is_a_row_a_header_blank_or_refused(tmp_path):
    account = account_of(tmp_path, lived(piece(GOOD % 1 + BAD + b"\n" + GOOD % 2)))
    assert account.lines == 5
    assert account.counts == LineCounts(rows=2, headers=1, blank=1, refused=1)
    assert account.closes
    (refusal,) = account.refused
    assert (refusal.line, refusal.text) == (3, BAD.decode().rstrip())


def test_a_piece_without_any_row_is_a_dead_letter_whose_lines_are_refused(tmp_path):
    life = life_of(tmp_path, lived(piece(BAD + BAD)))
    life.settle()
    counts = life.deriver.state.counts
    assert (counts.records, counts.dead, counts.decoded) == (1, 1, 0)
    account = life.deriver.state.files["file/log"].files[NAME]
    assert account.counts == LineCounts(headers=1, refused=2)
    life.close()


def test_a_piece_that_its_sheet_cannot_read_is_refused_line_by_line():
    def refuses(one: Piece, context: Context) -> Iterator[Slice]:
        raise Refused("utc_offset of this file", one.name)
        yield Slice((), LineCounts(), (), context)

    state, lost = PipelineState(boots={"boot": (0, 0)}), list[LostLine]()
    sources = Sources(files={"file/log": refuses}, kinds={"file/log": "own"})
    line = Pipeline(state, Plan(), sources, lambda _: (), on_lost_line=lost.append)
    payload = pack_piece(piece(GOOD % 1 + GOOD % 2))
    line.step([(EntryId(1, 1), Entry(Kind.RECORD, 9, 0, "boot", "file/log", payload))])
    account = state.files["file/log"].files[NAME]
    assert account.counts == LineCounts(refused=3)
    assert account.closes
    assert (state.counts.dead, state.counts.decoded) == (1, 0)
    assert [(one.line.line, "utc_offset" in one.line.reason) for one in lost] == [(1, True)]


def test_refused_lines_are_reported_with_their_place(tmp_path):
    lost: list[LostLine] = []
    life = life_of(tmp_path, lived(piece(GOOD % 1 + BAD)))
    journal: Any = life._journal
    scratch = tmp_path / "again.sqlite"
    deriver = Deriver(journal, life.series, scratch, on_lost_line=lost.append)
    while deriver.turn():
        pass
    assert [(one.source, one.file, one.line.line) for one in lost] == [("file/log", NAME, 3)]
    assert lost[0].line.text.startswith(b"2026-09-01,")
    life.close()


def test_the_last_refused_lines_are_kept_and_all_are_counted(tmp_path):
    account = account_of(tmp_path, lived(piece(GOOD % 1 + BAD * 40)))
    assert account.counts.refused == 40
    assert [refusal.line for refusal in account.refused] == list(range(42 - LATEST_REFUSED + 1, 43))


def test_lines_whose_piece_the_journal_lost_are_missing(tmp_path):
    plot = lived(piece(GOOD % 1), piece(GOOD % 9, line=12))
    account = account_of(tmp_path, plot)
    assert (account.missing, account.closes) == (9, False)


def test_daily_files_of_ten_years_take_no_more_than_the_latest(tmp_path):
    pieces = [piece(GOOD % 1 + BAD, name=f"/data/{day}.csv") for day in range(200)]
    life = life_of(tmp_path, lived(*pieces))
    life.settle()
    files = life.deriver.state.files["file/log"]
    assert len(files.files) == LATEST_FILES
    assert files.others == 200 - LATEST_FILES
    names, accounts = zip(*files.accounts(), strict=True)
    assert names[-1] == "/data/199.csv"
    assert sum(a.lines for a in accounts) == 600
    assert sum(a.counts.refused for a in accounts) == 200
    assert all(a.closes for a in accounts)
    assert SourceFiles.of_json(orjson.loads(orjson.dumps(files.to_json()))) == files
    life.close()


def test_what_an_earlier_version_derived_is_counted_from_the_journal(tmp_path):
    life = life_of(tmp_path, lived(piece(GOOD % 1 + BAD)))
    life.settle()
    state = life.deriver.state.to_json()
    whole = state["files"]
    life.flush()
    table = orjson.loads(life.series.checkpoint("deriver") or "")
    del table["state"]["files"]
    life.series.flush({"deriver": orjson.dumps(table).decode()})
    life.restart(flushed=False)
    assert not life.deriver.state.files["file/log"].files
    life.settle()
    assert life.deriver.state.to_json()["files"] == whole
    life.close()


def test_settings_put_right_count_the_lines_once_more(tmp_path):
    plot = started()
    wrong = TEXT.replace("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M")
    plot.add(Kind.CONFIGURATION, "", orjson.dumps({"file": "e.toml", "sha256": "", "text": wrong}))
    plot.add(Kind.RECORD, "file/log", pack_piece(piece(GOOD % 1 + GOOD % 2)))
    life = life_of(tmp_path, plot)
    life.settle()
    assert life.deriver.state.files["file/log"].files[NAME].counts.refused == 2
    plot.add(Kind.CONFIGURATION, "", orjson.dumps({"file": "e.toml", "sha256": "", "text": TEXT}))
    life._journal.shown = len(plot.entries)
    life.settle()
    account = life.deriver.state.files["file/log"].files[NAME]
    assert account.counts == LineCounts(rows=2, headers=1)
    assert not account.refused
    life.close()


def test_a_line_taken_without_its_end_is_counted_once():
    account = FileAccount()

    def counted(part: Piece, context: Context) -> Iterator[Slice]:
        lines = part.data.splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        context = context._replace(same=context.same + len(whole))
        yield Slice((), LineCounts(rows=len(whole), headers=int(part.headed)), (), context)
        if part.unended:
            torn = RefusedLine(part.line + part.lines - 1, "short", lines[-1])
            yield Slice((), LineCounts(refused=1), (torn,), context._replace(same=99))

    def read(one: Piece) -> None:
        for part, _ in account.read(one, counted):
            account.take(part.counts, part.refused, 0)

    torn = piece(GOOD % 1)._replace(data=GOOD % 1 + b"2026", lines=3, unended=True)
    read(torn)
    assert (account.counts.refused, account.lines, account.context.same) == (1, 3, 99)
    read(piece(GOOD % 2 + GOOD % 3, line=3, follows=Follows.AGAIN))
    assert account.counts == LineCounts(rows=3, headers=1)
    assert (account.lines, account.refused, account.context.same) == (4, [], 3)
    assert account.closes
    read(piece(GOOD % 1, copy=2))
    assert account.context.same == 1  # another copy begins with the context of a first line
    assert account.context != FIRST


def renamed_piece(data: bytes, before: Piece) -> Piece:
    """What came after a file had got another name."""
    own = before.line + before.lines, before.offset + len(before.data)
    return piece(
        data, own[0], name="/data/old.csv", offset=own[1], follows=Follows.BEGINS, headed=False
    )


def test_a_file_that_got_another_name_goes_on_with_what_its_lines_said(tmp_path):
    text = TEXT.replace('utc_offset = "+00:00"', 'zone = "Europe/Berlin"')
    plot = started()
    table = {"file": "e.toml", "sha256": "", "text": text}
    plot.add(Kind.CONFIGURATION, "", orjson.dumps(table))
    first = piece(b"2025-10-26 02:50:00,4.0,5.0\n2025-10-26 02:00:00,4.1,5.0\n")
    other = piece(b"2025-10-26 02:10:00,9.0,5.0\n", name="/data/z.csv")
    for one in (first, other, renamed_piece(b"2025-10-26 02:10:00,4.2,5.0\n", first)):
        plot.add(Kind.RECORD, "file/log", pack_piece(one))
    life = life_of(tmp_path, plot)
    life.settle()
    hours = [fields["raw"] for (c, _), fields in sorted(life.rows().items()) if c == "x"]
    assert hours == [9.0, 4.0, 4.1, 4.2]  # the second pass of the doubled hour goes on
    life.close()


@pytest.mark.parametrize("another", [False, True])
@pytest.mark.parametrize("unended", [False, True])
def test_the_context_of_a_renamed_file_is_that_of_its_own_last_line(unended, another):
    files = SourceFiles()
    known = Context(year=2027)

    def reader(one: Piece, context: Context) -> Iterator[Slice]:
        yield Slice((), LineCounts(headers=1, rows=1), (), known)
        if one.unended:
            yield Slice((), LineCounts(rows=1), (), context._replace(year=1))

    first = piece(GOOD % 1)
    if unended:
        first = first._replace(data=GOOD % 1 + b"2026", lines=3, unended=True)
    for _ in files.file(NAME).read(first, reader):
        pass
    again = renamed_piece(GOOD % 2, piece(GOOD % 1))
    if another:  # has the name before the renamed one grows
        account, context = files.begin(piece(GOOD % 3 + GOOD % 4, copy=2))
        for _ in account.read(piece(GOOD % 3 + GOOD % 4, copy=2), reader, context):
            pass
        files = SourceFiles.of_json(orjson.loads(orjson.dumps(files.to_json())))
    assert files.begin(again._replace(line=again.line + 5))[1] == FIRST
    assert files.begin(again._replace(offset=again.offset + 99))[1] == FIRST
    assert files.begin(again._replace(follows=Follows.CHANGED))[1] == FIRST
    assert files.begin(again)[1] == known


def test_a_line_of_units_may_come_later_than_its_header(tmp_path):
    head = piece(b"")._replace(lines=1)
    units = piece(b"-,degC,degC\n" + GOOD % 1 + b"-,degC,degC\n", line=2)
    below = piece(b"-,degC,degC\n", line=5)
    account = account_of(tmp_path, lived(head, units, below))
    assert account.counts == LineCounts(rows=1, headers=2, refused=2)


def test_a_state_without_accounts_and_digests_is_read():
    table = PipelineState().to_json()
    for name in ("files", "uplink_conflicts"):
        del table[name]
    del table["counts"]["conflicts"]
    table["uplinks"] = {"ttn/a": [["s", 4, 2]]}
    state = PipelineState.of_json(table)
    assert state.uplinks["ttn/a"][0].digest == ""
    assert state.files == {}
    assert state.counts.conflicts == 0
