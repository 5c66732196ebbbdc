"""Release files that somebody made to do harm: one line of answer, soon, in little memory."""

import hashlib
import random
import shutil
import sqlite3
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import orjson
import pytest
from tests.daemon.commands.calling import call, call_plain
from tests.daemon.commands.test_cal_preview import station_in
from tests.programs import output

from edaphon.series import read_release, release_problems
from edaphon.series.rows import ROW, digest, pack_rows, unpack_rows

CHANNEL = "p-temp"
OF = (CHANNEL,)
SOON_S = 10.0
Harm = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A release of a plot."""
    plot = station_in(tmp_path_factory.mktemp("plot"))
    call(plot, "release", "good")
    return plot.storage / "releases" / "good.sqlite"


def harmed(good: Path, folder: Path, harm: Harm) -> Path:
    path = folder / "harmed.sqlite"
    shutil.copy(good, path)
    path.chmod(0o644)
    with closing(sqlite3.connect(path)) as db:
        harm(db)
        db.commit()
    return path


def asked(path: Path, *words: str) -> tuple[str, str]:
    begun = time.monotonic()
    found = call_plain("query", CHANNEL, "--release", str(path), *words, codes=(0, 1))
    assert time.monotonic() - begun < SOON_S
    return found


def refused(path: Path, *words: str) -> str:
    out, err = asked(path, *words)
    assert out.count("\n") <= 1  # the header of the table at most
    assert err.startswith("expected")
    assert len(err.splitlines()) == 1
    assert len(err) < 700
    return err


def in_script(text: str) -> Harm:
    return lambda db: db.executescript(text)


def in_schema(text: str) -> Harm:
    return in_script(f"PRAGMA writable_schema = 1; {text}")


def saying(**words: object) -> Harm:
    """What the release says of itself, changed."""

    def harm(db: sqlite3.Connection) -> None:
        (text,) = db.execute("SELECT json FROM checkpoint WHERE name = 'release'").fetchone()
        table = {**orjson.loads(text), **words}
        set_words(db, "release", orjson.dumps(table).decode())

    return harm


def set_words(db: sqlite3.Connection, name: str, text: str) -> None:
    db.execute("UPDATE checkpoint SET json = ? WHERE name = ?", (text, name))


def sealed(harm: Harm) -> Harm:
    """With the digests that somebody who knows how they are made would write."""

    def both(db: sqlite3.Connection) -> None:
        harm(db)
        (channels,) = db.execute("SELECT json FROM checkpoint WHERE name = 'channels'").fetchone()
        query = "SELECT channel, day, n, digest FROM block ORDER BY channel, day"
        lines = [" ".join(map(str, row)) for row in db.execute(query)]
        text = "".join(f"{line}\n" for line in (channels, *lines))
        n = db.execute("SELECT sum(n) FROM block").fetchone()[0]
        saying(digest=hashlib.sha256(text.encode()).hexdigest(), rows=n)(db)

    return both


def with_rows(change: Callable[[np.ndarray], object]) -> Harm:
    """Rows of the first day changed, and their digest with them."""

    def harm(db: sqlite3.Connection) -> None:
        ids = dict(db.execute("SELECT number, id FROM derivation"))
        query = "SELECT channel, day, columns, n FROM block WHERE channel = ?"
        channel, day, columns, n = db.execute(query, (CHANNEL,)).fetchone()
        rows = unpack_rows(columns, n)
        change(rows)
        words = (pack_rows(rows), digest(rows, lambda k: ids.get(k, "x")), channel, day)
        db.execute("UPDATE block SET columns = ?, digest = ? WHERE channel = ? AND day = ?", words)

    return sealed(harm)


def deriving(text: str) -> Harm:
    """All rows by one derivation of that text, with its hash."""

    def harm(db: sqlite3.Connection) -> None:
        id = hashlib.sha256(text.encode()).hexdigest()[:12]
        db.execute("INSERT INTO derivation VALUES (999, ?, ?)", (id, text))

        def change(rows: np.ndarray) -> None:
            rows["derivation"] = 999

        with_rows(change)(db)

    return harm


def zeros(n: int) -> Harm:
    """A block of so many rows of zeros."""
    packing = zlib.compressobj(9)
    chunk = bytes(n * ROW.itemsize // 100)
    packed = b"".join(packing.compress(chunk) for _ in range(100)) + packing.flush()
    words = (packed, n)
    return sealed(lambda db: db.execute("UPDATE block SET columns = ?, n = ?", words))


# ruff: noqa: S608
ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r)"
BLOCK_COLUMNS = "channel, day, n, first_change, last_change, digest, columns"
SCHEMAS = {
    "a view in the place of a table": in_script(
        f"DROP TABLE conflict; CREATE VIEW conflict AS {ENDLESS} SELECT x FROM r"
    ),
    "a view of blocks that never ends": in_script(
        f"ALTER TABLE block RENAME TO b;CREATE VIEW block AS {ENDLESS} SELECT b.* FROM b, r"
    ),
    "a view of pieces": in_script(f"CREATE VIEW piece AS {ENDLESS} SELECT x AS n FROM r"),
    "sums by a view": in_script(f"CREATE VIEW total AS {ENDLESS} SELECT x AS n FROM r"),
    "a trigger": in_script("CREATE TRIGGER t AFTER INSERT ON block BEGIN DELETE FROM block; END"),
    "a trigger with the name of a table": in_script(
        "CREATE TRIGGER block AFTER INSERT ON block BEGIN DELETE FROM block; END"
    ),
    "a further table": in_script("CREATE TABLE more (x)"),
    "a virtual table": in_schema(
        "INSERT INTO sqlite_schema VALUES"
        " ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING fts5(x)')"
    ),
    "an index of an expression": in_script("CREATE INDEX i ON block (abs(day))"),
    "a generated column": in_script(
        "ALTER TABLE derivation ADD COLUMN more TEXT AS (hex(zeroblob(500000000)))"
    ),
    "a default of much": in_script(
        "ALTER TABLE withdrawn ADD COLUMN more TEXT DEFAULT (hex(zeroblob(500000000)))"
    ),
    "two tables of one place": in_schema(
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE"
        " name = 'block') WHERE name = 'checkpoint'"
    ),
    "no table": in_script("DROP TABLE withdrawn"),
    "no tables": in_schema("DELETE FROM sqlite_schema"),
    "a later version": in_script("PRAGMA user_version = 4000"),
    "another application": in_script("PRAGMA application_id = 7"),
}
WORDS = {
    "rows as text": saying(rows="x"),
    "rows below zero": saying(rows=-5),
    "rows beyond all": saying(rows=2**63 - 1),
    "a number as name": saying(name=5),
    "a list as note": saying(note=[["x"]]),
    "a long name": saying(name="n" * 200_000),
    "a further word": saying(more=1),
    "no object": lambda db: set_words(db, "release", "[]"),
    "no JSON": lambda db: set_words(db, "release", "{"),
    "deep JSON": lambda db: set_words(db, "release", "[" * 500_000),
    "a large number": lambda db: set_words(db, "release", '{"rows": ' + "9" * 5000 + "}"),
    "channels that are none": lambda db: set_words(db, "channels", "[1]"),
    "channels of other words": lambda db: set_words(db, "channels", '[{"id": 1}]'),
    "no channels": lambda db: db.execute("DELETE FROM checkpoint WHERE name = 'channels'"),
    "n below zero": sealed(lambda db: db.execute("UPDATE block SET n = -5")),
    "n beyond all": sealed(
        lambda db: db.execute("UPDATE block SET n = 4611686018427387904 WHERE channel = ?", OF)
    ),
    "a day beyond all": sealed(
        lambda db: db.execute("UPDATE block SET day = 4611686018427387904 WHERE channel = ?", OF)
    ),
    "zeros": zeros(4_000_000),
    "no rows": sealed(lambda db: db.execute("UPDATE block SET columns = x''")),
    "rows that are no rows": sealed(lambda db: db.execute("UPDATE block SET columns = x'ff'")),
    "a derivation that is not there": with_rows(lambda rows: rows["derivation"].fill(77)),
    "times in no order": with_rows(lambda rows: rows["time_ns"].fill(rows["time_ns"][0])),
    "a row of another day": with_rows(lambda rows: rows["time_ns"].__setitem__(-1, 2**62)),
    "a value that was changed": lambda db: db.execute("UPDATE block SET digest = '0'"),
}
TEXTS = ["[", "[]", "{}", "1", '{"output": 1}', '{"output": []}', "[" * 200_000]
TEXTS += ['{"output": ["a", "b", "m**9**9**9"]}', '{"output": ["a", "b", "' + "k" * 99_999 + '"]}']
TEXTS += ['{"output": [1, 2, {"a": 1}]}', '{"output": ["a", "b", "\\u0000"]}']


@pytest.mark.parametrize("harm", SCHEMAS.values(), ids=SCHEMAS)
def test_a_file_with_more_than_the_tables_of_a_release_is_none(good, tmp_path, harm):
    path = harmed(good, tmp_path, harm)
    assert "expected a release in harmed.sqlite" in refused(path)
    assert len(release_problems(path)) == 1


@pytest.mark.parametrize("harm", WORDS.values(), ids=WORDS)
def test_words_and_rows_that_can_not_be_are_refused(good, tmp_path, harm):
    path = harmed(good, tmp_path, harm)
    assert "expected a release in harmed.sqlite" in refused(path)
    begun = time.monotonic()
    assert release_problems(path)
    assert time.monotonic() - begun < SOON_S


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_derivation_of_another_text_is_refused_where_it_is_asked_for(good, tmp_path, text):
    path = harmed(good, tmp_path, deriving(text))
    refused(path, "--level", "raw")


def test_a_derivation_whose_text_is_not_of_its_hash_is_refused(good, tmp_path):
    path = harmed(good, tmp_path, lambda db: db.execute("UPDATE derivation SET text = '{}'"))
    assert "another text of derivation" in refused(path, "--level", "raw")


def test_what_is_no_regular_file_is_none(tmp_path):
    import os

    os.mkfifo(tmp_path / "fifo.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    for name in ("fifo", "folder"):
        assert "no regular file" in refused(tmp_path / f"{name}.sqlite")


def test_bytes_changed_anywhere_are_refused_or_change_nothing(good, tmp_path):
    """Seeded; an answer is the whole answer of the good file, or a refusal."""
    whole, path = asked(good)[0], tmp_path / "harmed.sqlite"
    raw = asked(good, "--level", "raw")[0]
    drawn = random.Random(12)
    for _ in range(60):
        data = bytearray(good.read_bytes())
        for _ in range(drawn.choice([1, 1, 8])):
            data[drawn.randrange(len(data))] = drawn.randrange(256)
        path.write_bytes(data[: drawn.choice([len(data), len(data), drawn.randrange(len(data))])])
        out, err = asked(path)
        assert out == whole or err.startswith("expected"), err
        out, err = asked(path, "--level", "raw")
        assert out == raw or err.startswith("expected"), err
        release_problems(path)


def varint(n: int) -> bytes:
    return bytes([n]) if n < 128 else bytes([128 | n >> 7, n & 127])


def endless_tree(path: Path, levels: int) -> None:
    """The index of derivations as pages that all point to the next: 50 to the power of levels."""
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_derivation_1'"
        (root,) = db.execute(query).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    leaf, pages = bytes(data[(root - 1) * size : root * size]), len(data) // size
    record = bytes([3, 13 + 2 * 12, 1]) + b"abcdefabcdef" + b"\x01"
    for level in range(levels):
        child = pages + level + 2 if level else pages + 2
        page = interior_page(size, child, record)
        if level:
            data += page
        else:
            data[(root - 1) * size : root * size] = page
            data += b""
    data += interior_page(size, pages + levels + 1, record) + leaf
    data[28:32] = (len(data) // size).to_bytes(4, "big")
    path.write_bytes(data)


def interior_page(size: int, child: int, record: bytes) -> bytes:
    cell = child.to_bytes(4, "big") + varint(len(record)) + record
    n = 50
    start = size - n * len(cell)
    head = bytes([2, 0, 0]) + n.to_bytes(2, "big") + start.to_bytes(2, "big") + b"\0"
    head += child.to_bytes(4, "big")
    places = b"".join((start + k * len(cell)).to_bytes(2, "big") for k in range(n))
    return (head + places).ljust(start, b"\0") + cell * n


def test_pages_that_point_at_each_other_end_by_the_work_that_the_file_explains(good, tmp_path):
    path = harmed(good, tmp_path, lambda db: None)
    endless_tree(path, 8)
    assert "expected a release in harmed.sqlite" in refused(path)


MEMORY = """
import resource, sys
from pathlib import Path
from edaphon.series import release_problems
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(release_problems(Path(sys.argv[1])))
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000
"""


def test_a_small_file_of_many_zeros_takes_no_memory(good, tmp_path):
    path = harmed(good, tmp_path, zeros(4_000_000))
    assert path.stat().st_size < 1_500_000
    assert "has other rows" in output(sys.executable, "-c", MEMORY, path)


def test_a_good_release_is_read_as_before(good, tmp_path):
    assert release_problems(good) == []
    assert read_release(good).name == "good"
    path = harmed(good, tmp_path, sealed(lambda db: None))
    assert asked(path) == asked(good)
    assert asked(path, "--level", "raw") == asked(good, "--level", "raw")
