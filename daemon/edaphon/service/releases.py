"""Releases: one moment of the series under a name that is cited, and whether it is as it was."""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edaphon import __version__
from edaphon.acquire.slots import Timekeeper
from edaphon.api import channels_in, facts_in
from edaphon.clock import FAR_NS, SystemClock, boot_id, instant_text
from edaphon.databases import make_folder, sync_folder
from edaphon.journal import DamagedRow, Journal, JournalBusy, JournalReader, Kind, read_only
from edaphon.journal.fact_log import configuration
from edaphon.model import Channel, EntryId
from edaphon.people import own_account
from edaphon.series import (
    DamagedBlock,
    Release,
    Series,
    WrongFile,
    read_release,
    release_problems,
    write_release,
)
from edaphon.storage.access import TRY_AGAIN, Storage, fail, settled_deriver
from edaphon.storage.client import DaemonOff, is_behind
from edaphon.tables import unknown_channel

USAGE = 2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Wanted(NamedTuple):
    """A release as it was asked for; no channels are all; times in UTC ns."""

    name: str
    channels: tuple[str, ...]
    start_ns: int
    end_ns: int
    note: str
    who: str


def make_release(storage: Storage, wanted: Wanted) -> Release:
    if not _NAME.fullmatch(wanted.name):
        raise fail(f"expected a name of letters, digits, . _ and -, got {wanted.name!r}", USAGE)
    path = storage.layout.release(wanted.name)
    with _part(storage.layout.releases) as part:
        if path.exists():
            raise fail(
                f"{wanted.name} is released already; a release is never changed: choose"
                " another name"
            )
        series = _settled(storage)
        try:
            made = _write(storage, series, part, wanted)
        except DamagedBlock as damage:
            raise fail(str(damage)) from None
        finally:
            series.close()
        part.chmod(0o440)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        # First the note: a name that a file has is known to the journal, whenever power fails.
        _note(storage, made, part)
        part.rename(path)
        sync_folder(path.parent)
    return made


@contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """A place for a file in the making; one release is made at a time."""
    make_folder(folder)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            words = "another release is being made; ask again in a moment"
            raise fail(words, TRY_AGAIN) from None
        part = folder / "in-the-making"
        _remove(part)  # of one that was killed
        try:
            yield part
        finally:
            _remove(part)
    finally:
        os.close(lock)


def _remove(part: Path) -> None:
    for suffix in ("", "-journal"):
        Path(f"{part}{suffix}").unlink(missing_ok=True)


def _settled(storage: Storage) -> Series:
    """The series with all that is journalled derived and written."""
    try:
        storage.ask("flush")
    except DaemonOff:
        if is_behind(storage.layout):
            with settled_deriver(storage):
                pass
    return storage.series()


def _write(storage: Storage, series: Series, part: Path, wanted: Wanted) -> Release:
    with series.snapshot() as frozen:
        checkpoint = orjson.loads(frozen.checkpoint("deriver") or b"{}")
        if not checkpoint:
            raise fail(f"no values yet in {storage.layout.folder}; start `edaphon run` first")
        if checkpoint["pending"]:
            raise fail(
                f"{', '.join(sorted(checkpoint['pending']))} are being derived again;"
                " release them when that is done: see `edaphon status`",
                TRY_AGAIN,
            )
        about = _about(storage, wanted, checkpoint)
        made = write_release(part, frozen, about, wanted.start_ns, wanted.end_ns)
    if not made.rows:
        raise fail("expected values of these channels in this time, got none to release")
    return made


def _about(storage: Storage, wanted: Wanted, checkpoint: dict[str, Any]) -> Release:
    journal, known = read_only(storage.layout.journal), EntryId.of(checkpoint["position"])
    return Release(
        name=wanted.name,
        made=instant_text(SystemClock().wall_ns() // 10**9 * 10**9),
        who=wanted.who,
        note=wanted.note,
        version=__version__,
        known_sequence=str(known),
        known_time=_received(journal, known),
        start="" if wanted.start_ns == -FAR_NS else instant_text(wanted.start_ns),
        end="" if wanted.end_ns == FAR_NS else instant_text(wanted.end_ns),
        channels=_channels(journal, checkpoint, known, wanted.channels),
    )


def _received(journal: JournalReader, place: EntryId) -> str:
    try:
        return instant_text(journal.entry(place).received_ns)
    except (KeyError, DamagedRow):  # the medium lost it; its place is known
        return ""


def _channels(
    journal: JournalReader, checkpoint: dict[str, Any], known: EntryId, ids: tuple[str, ...]
) -> tuple[Channel, ...]:
    site = configuration(journal, checkpoint).get("site", {}).get("id", "")
    found = channels_in(facts_in(journal, checkpoint, known), checkpoint, site)
    by_id = {channel.id: channel for channel in found}
    for id in ids:
        if id not in by_id:
            raise unknown_channel(id, by_id)
    return tuple(by_id[id] for id in sorted(set(ids) or by_id))


def _note(storage: Storage, made: Release, part: Path) -> None:
    """Through the daemon; into the journal when it is off."""
    reported = note_of(made, part)
    try:
        storage.ask("release", note=reported)
    except DaemonOff:
        clock = SystemClock()
        try:
            with Journal(storage.layout.journal, clock) as journal:
                note = {**reported, "account": own_account()}
                payload = orjson.dumps(note, option=orjson.OPT_SORT_KEYS)
                journal.append_now(Timekeeper(clock, boot_id()).entry(Kind.NOTE, "", payload))
        except JournalBusy as busy:
            raise fail(str(busy), TRY_AGAIN) from None


def notes_of_releases(storage: Storage) -> dict[str, dict[str, Any]]:
    """By name, what the journal keeps of each release."""
    if not storage.layout.journal.is_dir():
        return {}
    copies = JournalReader(storage.layout.journal).copies
    tables = [orjson.loads(entry.payload) for _, entry in copies.of_kind(Kind.NOTE)]
    return {table["name"]: table for table in tables if table.get("what") == "release"}


def note_of(made: Release, path: Path) -> dict[str, Any]:
    """What the journal keeps of a release in that file."""
    names = ("name", "digest", "rows", "known_sequence", "who", "note")
    reported = {name: getattr(made, name) for name in names}
    return {"what": "release", **reported, "file_sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FoundRelease(NamedTuple):
    """A file among the releases, and what is wrong with it."""

    name: str
    about: Release | None
    problems: list[str]


def found_releases(storage: Storage) -> Iterator[FoundRelease]:
    """The files of all releases, those apart that the journal knows of and that are gone."""
    noted = notes_of_releases(storage)
    there = {path.stem for path in storage.layout.releases.glob("*.sqlite")}
    for name in sorted(noted.keys() - there):
        yield FoundRelease(name, None, [f"its file {storage.layout.release(name)} is not there"])
    for path in sorted(storage.layout.releases.glob("*.sqlite")):
        problems = release_problems(path)
        try:
            about = read_release(path)
        except WrongFile:
            about = None
        if about is not None and about.name != path.stem:
            problems.append(f"it was released as {about.name}")
        note = noted.get(path.stem)
        if about is not None and note is not None and not problems:
            problems += _differing(note, note_of(about, path))
        yield FoundRelease(path.stem, about, problems)


def _differing(note: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """What a file says of itself, and was not released."""
    return [
        f"its {name} is {own[name]!r}, and {note[name]!r} was released"
        for name in own
        if name in note and note[name] != own[name]
    ]
