"""Asking the daemon over its unix socket; while it is off, whether the files are all it knew."""

import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from edaphon.databases import AT_FAULT, fault_of
from edaphon.errors import StaleError
from edaphon.journal import is_written, read_only
from edaphon.journal.fact_log import CHECKPOINT
from edaphon.model import EntryId
from edaphon.printer import json_bytes
from edaphon.series import SeriesReader, WrongFile
from edaphon.storage.paths import Layout

CONNECT_AGAIN_S = 0.05
ANSWER_S = 30.0
NOT_SHOWN = "no answer is shown, it could be old"
AGAIN = (
    "no answer is shown, it would not be complete: the file of values was damaged, and they are"
    " derived again from the journal; ask again in a while"
)


class DaemonOff(ConnectionError):
    """No daemon answers at that socket; the text says what to do."""


class DaemonSilent(ConnectionError):
    """A daemon took the question and gave no answer: what is stored may be older than it knows."""


class DaemonRefuses(ValueError):
    """The daemon's own words why it did not do what was asked; `result` may hold more."""

    def __init__(self, why: str, result: Any = None) -> None:
        self.result = result
        super().__init__(why)


def ask(path: Path, request: Mapping[str, Any], timeout_s: float = 10.0) -> Any:
    """The daemon's result. Raises DaemonOff, DaemonSilent, or DaemonRefuses with its words."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            _connect(connection, path, timeout_s)
        except TimeoutError:
            raise _silent(path, timeout_s) from None
        except OSError as error:
            raise DaemonOff(_off(path, error)) from error
        try:
            with suppress(BrokenPipeError):  # refused before it was read: the answer says why
                connection.sendall(json_bytes(request) + b"\n")
            with connection.makefile("rb") as answers:
                reply = orjson.loads(answers.readline())
        except (OSError, orjson.JSONDecodeError) as error:
            raise _silent(path, timeout_s) from error
    if not reply["ok"]:
        raise DaemonRefuses(reply["error"], reply.get("result"))
    return reply["result"]


def _connect(connection: socket.socket, path: Path, timeout_s: float) -> None:
    """Waits while as many wait as the system lets wait (EAGAIN, unix(7)); raises OSError."""
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            with as_caller():
                return connection.connect(str(path))
        except BlockingIOError:
            if time.monotonic() > end_s:
                raise TimeoutError from None
            time.sleep(CONNECT_AGAIN_S)


def _off(path: Path, error: OSError) -> str:
    """In words for a person who knows no sockets."""
    if isinstance(error, PermissionError):
        why = f"this account may not ask the service ({path}: {error.strerror})"
        return f"{why}; ask as the account of the service, or with sudo"
    start = "start it with `edaphon run`, or `systemctl start edaphon` where it is installed"
    return f"the service is not running (nothing answers at {path}); {start}"


def _silent(path: Path, timeout_s: float) -> DaemonSilent:
    return DaemonSilent(
        f"expected an answer of the daemon at {path} within {timeout_s:.0f} s, got none; ask again,"
        " or see `systemctl status edaphon`"
    )


def flush(path: Path) -> bool:
    """The daemon writes out all that is derived; whether the disk has no room for it.

    Raises DaemonOff, or StaleError where what is stored may be older than the daemon knows.
    """
    try:
        flushed = ask(path, {"verb": "flush"}, ANSWER_S)
    except DaemonSilent as silent:
        raise StaleError(f"{silent} (what is stored may be old: it is not shown)") from None
    if flushed.get("again"):
        raise StaleError(AGAIN)
    return bool(flushed.get("full"))


def is_behind(layout: Layout) -> bool:
    """While no daemon answers: whether records wait to be derived.

    Raises StaleError while the journal is written to.
    """
    if not layout.journal.exists() or not layout.series.exists():
        return False
    if is_written(layout.journal):
        why = "the journal is written by a process that answers no questions (it starts or stops)"
        raise StaleError(f"{NOT_SHOWN}: {why}; ask again")
    last = read_only(layout.journal).last
    try:
        with SeriesReader(layout.series) as series:
            table = orjson.loads(series.checkpoint(CHECKPOINT) or "{}")
        return last is not None and EntryId.of(table.get("position", 0)) < last
    except WrongFile:
        return True
    except sqlite3.DatabaseError as error:
        if fault_of(error, layout.series) not in AT_FAULT:
            raise
        return True


@contextmanager
def as_caller() -> Iterator[None]:
    """Whoever asks is the account that called the command, which may have become the owner."""
    uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
    if uid == os.getuid():
        yield
        return
    os.seteuid(os.getuid())
    try:
        yield
    finally:
        become(uid, gid, groups)


def become(uid: int, gid: int, groups: list[int]) -> None:
    """Take these effective ids, and groups, which only root may."""
    os.seteuid(os.getuid())
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
