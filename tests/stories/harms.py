"""What can befall a file: flipped bits, zeros, a cut, another kind of thing in its place."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

__all__ = ["HARMS", "ONCE", "SEEDED", "harms_of", "write"]

LENGTHS = (0, 1, 100, 4096, 5000, 20000)

Harm = Callable[[Path, random.Random], None]


def flipped(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for at in (chance.randrange(len(data)) for _ in range(8)):
        data[at] ^= 1 << chance.randrange(8)
    write(path, bytes(data))


def first_byte(path: Path, _: random.Random) -> None:
    data = path.read_bytes()
    write(path, bytes([data[0] ^ 4]) + data[1:])


def zeroed(path: Path, _: random.Random) -> None:
    write(path, bytes(path.stat().st_size))


def page_of_zeros(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    at = chance.randrange(0, len(data), 4096)
    data[at : at + 4096] = bytes(len(data[at : at + 4096]))
    write(path, bytes(data))


def truncated(length: int) -> Harm:
    return lambda path, _: write(path, path.read_bytes()[:length])


def deleted(path: Path, _: random.Random) -> None:
    path.unlink()


def a_directory(path: Path, _: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("not a file of edaphon")


def garbage(path: Path, chance: random.Random) -> None:
    write(path, chance.randbytes(30_000))


def another_database(path: Path, _: random.Random) -> None:
    """Whole, and of another program."""
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE note (key TEXT)")
    database.commit()
    database.close()


def without_a_table(path: Path, chance: random.Random) -> None:
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        tables = [row[0] for row in database.execute(query)]
        database.execute(f"DROP TABLE {chance.choice(tables)}")
        database.commit()


def write(path: Path, data: bytes) -> None:
    """Keep the mode: a closed journal file is known by it."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode & 0o777)


ONCE: dict[str, Harm] = {
    "first byte": first_byte,
    "zeroed": zeroed,
    "deleted": deleted,
    "a directory": a_directory,
    "garbage": garbage,
    "another database": another_database,
    **{f"cut to {length}": truncated(length) for length in LENGTHS},
}
SEEDED: dict[str, Harm] = {
    "flipped": flipped,
    "a page of zeros": page_of_zeros,
    "without a table": without_a_table,
}
HARMS = ONCE | SEEDED


def harms_of(path: Path, seeds: int) -> list[tuple[str, int]]:
    """(name of the harm, seed): all that can befall this file."""
    return [
        (name, seed)
        for name in HARMS
        for seed in range(seeds if name in SEEDED else 1)
        if path.stat().st_size or name in {"a directory", "garbage", "deleted"}
        if path.suffix == ".sqlite" or name != "without a table"
    ]
