"""The process of the service: started, supervised by systemd, and ended for certain.

A hang in C code may hold Python's lock, and then no line of Python runs here any more, handlers of
signals included. Python's C handler still writes the number of a signal to a pipe, and a shell
reads it.
"""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from edaphon.config.model import is_secret, secret_files
from edaphon.databases import StorageFault, fault_of
from edaphon.facts import FactRow, evidence_errors, new_rows
from edaphon.journal import JournalBusy
from edaphon.people import own_account
from edaphon.service.check import configured
from edaphon.service.prerequisites import denied
from edaphon.service.requests import Requests
from edaphon.service.service import NotKept, Refusal, Service
from edaphon.service.socket import ControlServer, page_socket, page_verbs_only
from edaphon.service.sources import Overrides
from edaphon.service.submit import evidence_of
from edaphon.storage.access import TRY_AGAIN, fail
from edaphon.storage.client import become_owner, mend_modes
from edaphon.storage.paths import Layout

_log = logging.getLogger("edaphon")
END_AFTER_S = 9
# The end of the pipe is the end of the process $1: until then no other one has its number.
_SHELL = """
trap '' TERM INT HUP
[ -n "$(dd bs=1 count=1 2>/dev/null | od -An -tx1)" ] || exit 0
timeout "$2" cat >/dev/null && exit 0
echo "ERROR the service did not end within $2 s and is killed: what it acknowledged is kept," \
"the next start goes on from there" >&2
kill -KILL "$1"
"""
_TRIM_THRESHOLD = -1  # M_TRIM_THRESHOLD of mallopt(3)
_KEPT_BYTES = 131_072  # its own default, which glibc raises for good with each large block


def end_for_certain() -> None:
    """From now on this process is gone within END_AFTER_S of a signal that has a handler.

    Called once, from the main thread. Without a shell a hang must be ended by hand.
    """
    reading, writing = os.pipe()
    words = ["sh", "-c", _SHELL, "sh", str(os.getpid()), str(END_AFTER_S)]
    no_secrets = {"PATH": os.environ.get("PATH", os.defpath)}  # as a configuration may keep there
    with contextlib.suppress(OSError):
        files = [(os.POSIX_SPAWN_DUP2, reading, 0)]
        os.posix_spawn("/bin/sh", words, no_secrets, file_actions=files)
    os.close(reading)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


def give_memory_back() -> None:
    """For this process, by glibc; nothing happens with another C library."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


@contextlib.contextmanager
def running(file: Path, overrides: Overrides | None = None) -> Iterator[Service]:
    """A started service with its sockets; typer.Exit where it can't start."""
    service = started(file, overrides)
    answer = Requests(service).answer
    control = ControlServer(service.layout.control, answer)
    page = ControlServer(page_socket(file, service.layout.folder), page_verbs_only(answer))
    try:
        yield service
    finally:
        page.stop()
        control.stop()
        service.stop()


def started(file: Path, overrides: Overrides | None = None) -> Service:
    """Check, start, and take over the facts of the configuration and of the inbox."""
    found = configured(file)
    folder = found.config.storage.folder
    if become_owner(folder, for_good=True):
        _log.info("running as %s, the account that owns %s", own_account(), folder)
    if n := mend_modes(Layout(folder)):
        _log.info("%d files and folders of %s were open to other accounts: closed", n, folder)
    try:
        service = Service(found.document, found.config, overrides)
        service.start()
    except JournalBusy as busy:
        raise fail(str(busy), TRY_AGAIN) from None
    except (OSError, sqlite3.OperationalError) as error:
        raise fail(_storage_refused(found.config.storage.folder, error), TRY_AGAIN) from None
    for config_error in found.left_out:
        service.report(f"fact at {config_error.file}:{config_error.line}", str(config_error))
    try:
        _take_over(service, list(found.rows))
    except NotKept as late:
        service.report("facts", str(late))
    except Refusal as refusal:
        # What is known stays in force; recording must not wait for a mended fact.
        for config_error in refusal.config_errors:
            service.report(f"fact at {config_error.file}:{config_error.line}", str(config_error))
    return service


def _storage_refused(folder: Path, error: OSError | sqlite3.OperationalError) -> str:
    expected = "expected a storage folder that this account can write"
    fault = fault_of(error, folder / "series.sqlite")
    if fault is StorageFault.READ_ONLY and isinstance(error, OSError):
        return f"{expected}, got {denied(folder, error)}"
    return f"{expected}, got {folder}: {fault} ({error})"


def _take_over(service: Service, rows: list[FactRow]) -> None:
    """Facts of files with what they rest on; one whose evidence is missing waits for it."""
    secrets = secret_files(service.config)
    config_errors = evidence_errors(
        rows, service.deriver.knowledge, lambda path: is_secret(path, secrets)
    )
    for config_error in config_errors:
        service.report(f"fact at {config_error.file}:{config_error.line}", str(config_error))
    places = {(config_error.file, config_error.line) for config_error in config_errors}
    right = [row for row in rows if (row.file, row.line_of("evidence")) not in places]
    try:
        kept = evidence_of(new_rows(right, service.deriver.knowledge))
    except OSError as error:  # changed since it was checked
        service.report("facts", f"a file that they rest on can't be read: {error}")
        return
    for evidence in kept:
        service.keep_evidence(evidence, "configuration")
    service.apply(right, "configuration")


def notify(words: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens outside a unit of Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out, contextlib.suppress(OSError):
        out.sendto(words.encode(), "\0" + address[1:] if address[0] == "@" else address)
