"""Asking the daemon over its unix socket; while it is off, whether the files are all it knew."""

import os
import pwd
import socket
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EACCES
from pathlib import Path
from typing import Any

import orjson

from edaphon.databases import AT_FAULT, fault_of
from edaphon.errors import StaleError
from edaphon.journal import is_written, read_only
from edaphon.journal.fact_log import CHECKPOINT
from edaphon.model import EntryId
from edaphon.people import account_of
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
    """The daemon writes all; whether the disk has no room. Raises DaemonOff or StaleError."""
    try:
        flushed = ask(path, {"verb": "flush"}, ANSWER_S)
    except DaemonSilent as silent:
        raise StaleError(f"{silent} (what is stored may be old: it is not shown)") from None
    if flushed.get("again"):
        raise StaleError(AGAIN)
    return bool(flushed.get("full"))


def is_behind(layout: Layout) -> bool:
    """Without a daemon: whether records wait to be derived; StaleError while one writes them."""
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
    with _same_account_after():
        if os.geteuid() != os.getuid():  # within the page's unit the call itself is forbidden
            os.seteuid(os.getuid())
        yield


@contextmanager
def _same_account_after() -> Iterator[None]:
    before = os.geteuid(), os.getegid(), os.getgroups()
    try:
        yield
    finally:
        if os.geteuid() != before[0]:
            become(*before)


def become(uid: int, gid: int, groups: list[int]) -> None:
    """Take these effective ids, and groups, which only root may."""
    os.seteuid(os.getuid())
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)


UMASK = 0o027
FILE_MODE, CLOSED_MODE, LOCK_MODE, FOLDER_MODE = 0o640, 0o440, 0o600, 0o750
_WRITE = 0o222  # none of these bits is set on a file that is closed for ever


def set_umask() -> None:
    """New files are 0640 and folders 0750, of this process and of what it starts."""
    os.umask(UMASK)


def become_owner(folder: Path, for_good: bool = False) -> bool:
    """Root goes on as the account of a folder, with its groups; whether anything changed.

    Not for good: as far as files are concerned, until the command ends.
    """
    if os.geteuid() != 0 or not folder.exists():
        return False
    uid, gid = folder.stat().st_uid, folder.stat().st_gid
    if uid == 0:
        return False
    with suppress(KeyError):  # an account without a name has no groups
        own = pwd.getpwuid(uid)
        gid = own.pw_gid
        os.setgroups(os.getgrouplist(own.pw_name, gid))
    os.setegid(gid)
    os.seteuid(uid)
    _expect_readable()
    if for_good:
        os.seteuid(0)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    return True


def _expect_readable() -> None:
    """Modules that are needed later could not be imported from another person's home folder."""
    for file in (os.__file__, __file__):
        if not os.access(file, os.R_OK, effective_ids=True):
            owner = account_of(os.geteuid())
            why = f"expected a program that {owner}, who owns the storage folder, can read"
            os.seteuid(os.getuid())
            raise PermissionError(
                EACCES, f"{why}; use the edaphon of the service, or no sudo", file
            )


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """What is made meanwhile belongs to the account of the folder."""
    with _same_account_after():
        become_owner(folder)
        yield


def mend_modes(layout: Layout) -> int:
    """Close files of ours that an earlier version left open to others; how many there were."""
    changed = 0
    for path in layout.own_paths():
        with suppress(OSError):  # it goes away just now, or belongs to somebody else
            changed += _mend(path)
    return changed


def _mend(path: Path) -> bool:
    about = path.lstat()
    wanted = _wanted(path.name, about.st_mode)
    if wanted is None or about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) == wanted:
        return False
    os.chmod(path, wanted)
    return True


def _wanted(name: str, mode: int) -> int | None:
    """None for what is left alone."""
    if stat.S_ISDIR(mode):  # nothing is opened that a person has closed
        return None if mode & stat.S_ISVTX else stat.S_IMODE(mode) & (FOLDER_MODE | stat.S_ISGID)
    if not stat.S_ISREG(mode):
        return None
    if name == "journal.lock":
        return LOCK_MODE
    return FILE_MODE if mode & _WRITE else CLOSED_MODE
