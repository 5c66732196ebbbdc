"""The stored side for commands: through the daemon where it runs, from its files where not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import typer

from edaphon.config import Configuration
from edaphon.databases import StorageFault
from edaphon.facts import FactRow
from edaphon.printer import show_error, show_error_text
from edaphon.series import Series
from edaphon.service.check import CONFIGURATION, examine, usual_file
from edaphon.storage.client import DaemonOff, DaemonRefuses, DaemonSilent, ask
from edaphon.storage.owner import become_owner, set_umask
from edaphon.storage.paths import Layout
from edaphon.toml_input import ConfigError, Document

__all__ = ["Configured", "Storage", "configured", "fail", "open_storage"]

PROBLEM, TRY_AGAIN = 1, 75
AGAIN = (
    "no answer is shown, it would not be complete: the file of values was damaged, and they are"
    " derived again from the journal; ask again in a while"
)


class Configured(NamedTuple):
    """A configuration without a mistake in itself, its text, and the facts written with it."""

    config: Configuration
    document: Document
    rows: tuple[FactRow, ...]
    left_out: tuple[ConfigError, ...] = ()  # fact files and rows that are in none of them


@dataclass(frozen=True, slots=True)
class Storage:
    """A configuration and the folder it names."""

    config: Configuration
    layout: Layout

    def ask(self, verb: str, timeout_s: float = 30.0, **words: Any) -> Any:
        """The daemon's answer; raises DaemonOff, or ends with the daemon's words on stderr."""
        try:
            return ask(self.layout.control, {"verb": verb, **words}, timeout_s)
        except DaemonRefuses as refusal:
            raise fail(str(refusal)) from None
        except DaemonSilent as silent:
            raise fail(
                f"{silent} (what is stored may be old: it is not shown)", TRY_AGAIN
            ) from None

    def series(self) -> Series:
        """The series to read, with everything derived so far flushed into it.

        Ends with exit code 75 where it could be older than the journal and can't be completed now.
        """
        try:
            flushed = self.ask("flush")
            if flushed.get("again"):
                raise fail(AGAIN, TRY_AGAIN)
            if flushed.get("full"):
                show_error(f"{self.layout.folder}: {StorageFault.FULL}; later values are missing")
        except DaemonOff:
            from edaphon.storage.offline import derive_the_rest  # the service needs no lock here

            derive_the_rest(self)
        if not self.layout.series.exists():
            raise fail(f"no values yet in {self.layout.folder}; start `edaphon run` first")
        return Series(self.layout.series, read_only=True)


def open_storage(file: Path | None, as_owner: bool = False) -> Storage:
    """The storage that a configuration names; ends with exit code 3 where that is wrong.

    `as_owner`: root goes on as the account of the folder, for commands that read no other files.
    """
    found = configured(file or usual_file())
    if as_owner:
        become_owner(found.config.storage.folder)
    return Storage(found.config, Layout(found.config.storage.folder))


def configured(path: Path) -> Configured:
    """A configuration with its facts; ends with exit code 3 where there is none."""
    set_umask()  # whatever this process makes from here on
    found = examine([path])
    if found.config is None or found.document is None:
        for config_error in found.config_errors:
            show_error(str(config_error))
        if not found.config_errors:
            show_error(f"expected a configuration such as edaphon.toml, got {path}")
        raise typer.Exit(CONFIGURATION)
    return Configured(found.config, found.document, found.rows, found.left_out)


def fail(words: str, code: int = PROBLEM) -> typer.Exit:
    """Say on stderr what is wrong; raise what this returns."""
    show_error_text(words)
    return typer.Exit(code)
