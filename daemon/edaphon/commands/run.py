"""`edaphon run`: the service in the foreground, told to systemd, ended by SIGTERM or SIGINT."""

import contextlib
import logging
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from edaphon.config.model import is_secret, secret_files
from edaphon.databases import StorageFault, fault_of
from edaphon.facts import FactRow, evidence_complaints, new_rows
from edaphon.journal import JournalBusy
from edaphon.people import own_account
from edaphon.printer import log_to_stderr
from edaphon.service.check import usual_file
from edaphon.service.last_resort import end_for_certain
from edaphon.service.memory import give_memory_back
from edaphon.service.prerequisites import denied, lacking
from edaphon.service.requests import Requests
from edaphon.service.service import NotKept, Overrides, Refusal, Service
from edaphon.service.socket import ControlServer
from edaphon.service.sockets import page_socket, page_verbs_only
from edaphon.service.submit import evidence_of
from edaphon.storage.access import configured, fail
from edaphon.storage.owner import become_owner, mend_modes
from edaphon.storage.paths import Layout

__all__ = ["run", "running", "started"]

_log = logging.getLogger("edaphon")

BUSY = 75
LEFT = 70  # a part hung at the stop and was left behind; nothing that was acknowledged is lost
WATCHDOG_S = 10.0


def run(
    file: Annotated[Path | None, typer.Argument(help="edaphon.toml")] = None,
) -> None:
    """Record: read the sources, keep every answer, derive values, bring them to the sinks."""
    give_memory_back()
    log_to_stderr(logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    end_for_certain()
    with running(file or usual_file(), Overrides(is_armed=True)) as service:
        notify("READY=1")
        _log.info("recording into %s; `edaphon status` shows what comes in", service.layout.folder)
        if missing := len(lacking(service.config)):
            _log.info(
                "ports, switches or files that are not there yet or can't be used: %d; see"
                " `edaphon check`",
                missing,
            )
        while not stop.wait(WATCHDOG_S):
            if service.alive():
                notify("WATCHDOG=1")
        notify("STOPPING=1")
    if not service.is_over:  # Python would wait for threads that hang
        logging.shutdown()
        os._exit(LEFT)


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
    service = Service(found.document, found.config, overrides)
    try:
        service.start()
    except JournalBusy as busy:
        raise fail(str(busy), BUSY) from None
    except (OSError, sqlite3.OperationalError) as error:
        raise fail(_storage_refused(found.config.storage.folder, error), BUSY) from None
    for config_error in found.left_out:
        service.say_trouble(f"fact at {config_error.file}:{config_error.line}", str(config_error))
    try:
        _take_over(service, list(found.rows))
    except NotKept as late:
        service.say_trouble("facts", str(late))
    except Refusal as refusal:
        # What is known stays in force; recording must not wait for a mended fact.
        for config_error in refusal.config_errors:
            service.say_trouble(
                f"fact at {config_error.file}:{config_error.line}", str(config_error)
            )
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
    config_errors = evidence_complaints(
        rows, service.deriver.knowledge, lambda path: is_secret(path, secrets)
    )
    for config_error in config_errors:
        service.say_trouble(f"fact at {config_error.file}:{config_error.line}", str(config_error))
    places = {(config_error.file, config_error.line) for config_error in config_errors}
    right = [row for row in rows if (row.file, row.line_of("evidence")) not in places]
    try:
        kept = evidence_of(new_rows(right, service.deriver.knowledge))
    except OSError as error:  # changed since it was checked
        service.say_trouble("facts", f"a file that they rest on can't be read: {error}")
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
