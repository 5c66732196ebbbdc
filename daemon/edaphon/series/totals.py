"""How many rows and conflicts each channel has, kept by the file itself with each change.

Triggers write the sums in the transaction of what they sum, whoever writes; `--deep` counts.
"""

import sqlite3

from edaphon.model import DEMOTED_RANKS
from edaphon.series.conflicts import Contested

__all__ = [
    "Totals",
    "add_totals",
    "by_channel",
    "count_all",
    "counted",
    "has_totals",
    "kept",
    "strange_triggers",
    "sum_again",
]

Totals = dict[str, tuple[int, Contested]]  # by channel: current rows, and what does not stand

_TABLE = """
CREATE TABLE total (
  channel TEXT PRIMARY KEY, n INTEGER NOT NULL, conflicts INTEGER NOT NULL,
  repeats INTEGER NOT NULL, replaced INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
_KINDS = (
    ("conflicts", f"agrees = 0 AND {{row}}rank < {DEMOTED_RANKS}"),
    ("repeats", "agrees"),
    ("replaced", f"agrees = 0 AND {{row}}rank >= {DEMOTED_RANKS}"),
)
_COUNT = f"""
SELECT channel, sum(n), sum(conflicts), sum(repeats), sum(replaced) FROM (
  SELECT channel, sum(n) AS n, 0 AS conflicts, 0 AS repeats, 0 AS replaced
    FROM block GROUP BY channel
  UNION ALL
  SELECT channel, 0, sum(agrees = 0 AND rank < {DEMOTED_RANKS}), sum(agrees),
    sum(agrees = 0 AND rank >= {DEMOTED_RANKS}) FROM conflict GROUP BY channel)
GROUP BY channel
"""  # noqa: S608
_NAMES = "n, conflicts, repeats, replaced"
_KNOWN = (
    "INSERT INTO total SELECT NEW.channel, 0, 0, 0, 0"
    " WHERE NOT EXISTS (SELECT 1 FROM total WHERE channel = NEW.channel);"
)


def add_totals(db: sqlite3.Connection) -> None:
    """Sum what is there and keep the sums from now on: one transaction, once for each file."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(_TABLE)
        for trigger in _triggers():
            db.execute(trigger)
        db.execute(f"INSERT INTO total {_COUNT}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def sum_again(db: sqlite3.Connection) -> None:
    """Put what is counted in the place of what is kept; within a transaction."""
    db.execute("DELETE FROM total")
    db.execute(f"INSERT INTO total {_COUNT}")


def has_totals(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'total'").fetchone() is not None


def kept(db: sqlite3.Connection, channel: str | None) -> tuple[int, Contested]:
    """Of one channel, or of all."""
    query = "SELECT " + ", ".join(f"coalesce(sum({name}), 0)" for name in _NAMES.split(", "))
    query += " FROM total" + ("" if channel is None else " WHERE channel = ?")
    n, *lost = db.execute(query, () if channel is None else (channel,)).fetchone()
    return int(n), Contested(*lost)


def counted(db: sqlite3.Connection) -> tuple[Totals, Totals]:
    """(the sums that are kept, the same counted from all rows)."""
    return by_channel(db), count_all(db)


def by_channel(db: sqlite3.Connection) -> Totals:
    """The sums that are kept, of channels that have any."""
    return _by_channel(db, f"SELECT channel, {_NAMES} FROM total")  # noqa: S608


def count_all(db: sqlite3.Connection) -> Totals:
    """The same counted from all rows."""
    return _by_channel(db, _COUNT)


def _by_channel(db: sqlite3.Connection, query: str) -> Totals:
    found = {channel: (n, Contested(*lost)) for channel, n, *lost in db.execute(query)}
    return {channel: own for channel, own in found.items() if own != (0, Contested())}


def _triggers() -> list[str]:
    """REPLACE removes a row without a trigger: what it replaces is subtracted before."""
    of_block = "channel = NEW.channel AND day = NEW.day"
    key = ("channel", "time_ns", "sequence", "rank", "ordinal")
    of_conflict = " AND ".join(f"{name} = NEW.{name}" for name in key)
    block = (
        f"UPDATE total SET n = n + NEW.n - coalesce((SELECT n FROM block WHERE {of_block}), 0)"  # noqa: S608
        " WHERE channel = NEW.channel;"
    )
    plus = ", ".join(f"{name} = {name} + ({_of('NEW', is_one)})" for name, is_one in _KINDS)
    replaced = (
        f"{name} = {name} - (SELECT count(*) FROM conflict WHERE {of_conflict}"  # noqa: S608
        f" AND {is_one.format(row='')})"
        for name, is_one in _KINDS
    )
    minus = ", ".join(f"{name} = {name} - ({_of('OLD', is_one)})" for name, is_one in _KINDS)
    return [
        f"CREATE TRIGGER block_comes BEFORE INSERT ON block BEGIN {_KNOWN} {block} END",
        "CREATE TRIGGER block_goes BEFORE DELETE ON block BEGIN"
        " UPDATE total SET n = n - OLD.n WHERE channel = OLD.channel; END",
        f"CREATE TRIGGER conflict_comes BEFORE INSERT ON conflict BEGIN {_KNOWN}"  # noqa: S608
        f" UPDATE total SET {', '.join(replaced)} WHERE channel = NEW.channel;"
        f" UPDATE total SET {plus} WHERE channel = NEW.channel; END",
        "CREATE TRIGGER conflict_goes BEFORE DELETE ON conflict BEGIN"  # noqa: S608
        f" UPDATE total SET {minus} WHERE channel = OLD.channel; END",
    ]


def strange_triggers(db: sqlite3.Connection) -> list[str]:
    """Triggers that are not ours: they would run with each change."""
    own = set(_triggers())
    found = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    return [str(name) for name, sql in found if sql not in own]


def _of(row: str, is_one: str) -> str:
    return f"{row}.{is_one.format(row=f'{row}.')}"
