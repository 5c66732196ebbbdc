"""What this machine or account lacks for a configuration, each with what to do next."""

import errno
import getpass
import grp
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from edaphon.config import Bus, Configuration, FileSource, LorawanSource
from edaphon.config.model import secret_files

__all__ = ["SERVICE_FOLDER", "account_name", "denied", "is_services", "lacking", "next_steps"]

SERVICE_FOLDER = Path("/etc/edaphon")
_SERVICE_PROGRAM = Path("/usr/local/lib/edaphon")
_WRITE, _READ = os.W_OK, os.R_OK


def is_services(file: Path) -> bool:
    """Whether a configuration is the one of the installed service."""
    return SERVICE_FOLDER in file.absolute().parents


def lacking(config: Configuration) -> list[str]:
    """Ports, switches and files that are not there or not for this account; none is opened."""
    found: list[str] = []
    for name, bus in config.buses.items():
        found += _port(name, bus)
        if bus.multiplexer is not None:
            found += _file(f"bus {name}, multiplexer", bus.multiplexer.file)
    for name, supply in config.supplies.items():
        found += _file(f"supply {name}", supply.file)
    followed = [source for source in config.sources if isinstance(source, FileSource)]
    for source in followed:
        found += _followed(source, secret_files(config))
    found += _twice(followed)
    if any(isinstance(s, LorawanSource) and s.codec_file for s in config.sources):
        found += _codec_engine()
    return found


def next_steps(file: Path, config: Configuration, apply: str = "") -> Iterator[str]:
    """After a good configuration: what is missing, and what to type; `apply` if facts are new."""
    missing = lacking(config)
    if not is_services(file):  # that has an account of its own
        yield from _storage(config.storage.folder)
    yield from missing
    if apply:
        yield f"next: {apply}"
    elif is_services(file):
        yield "next: sudo systemctl restart edaphon edaphon-web"
    else:
        yield f"next: edaphon run {file}"
    if config.buses and missing:
        yield f"without its hardware: edaphon simulate {file} --folder /tmp/plot"


def account_name() -> str:
    """Of this process; a container may run an account that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def denied(path: Path, error: OSError) -> str:
    """The machine's no to a file or folder, and what to do: join a group, or another place."""
    why = f"{path} ({error.strerror or error})"
    if error.errno not in {errno.EACCES, errno.EPERM}:
        return why
    return f"{why}. {_allowed(_first_closed(path.absolute()))}"


def _first_closed(path: Path) -> Path:
    """The folder on the way to it that this account may not enter, else the last that is there."""
    there = [p for p in (*reversed(path.parents), path) if os.path.exists(p)]
    return next((p for p in there if p.is_dir() and not os.access(p, os.X_OK)), there[-1])


def _port(name: str, bus: Bus) -> Iterator[str]:
    if "://" in bus.port:
        return
    path = Path(bus.port)
    if not os.path.exists(path):
        listing = "/dev/serial/by-id" if bus.kind not in {"i2c", "w1"} else path.parent
        yield (
            f"bus {name}: {path} is not there; plug it in, or take a path from:  ls -l {listing}"
        )
    elif not os.access(path, _READ if bus.kind == "w1" else _READ | _WRITE):
        yield f"bus {name}: {path} is not for this account. {_allowed(path)}"


def _file(name: str, path: Path) -> Iterator[str]:
    if not os.path.exists(path):
        yield f"{name}: {path} is not there; see that its driver or program runs"
    elif not os.access(path, _WRITE):
        yield f"{name}: {path} is not for this account. {_allowed(path)}"


def _followed(source: FileSource, secrets: frozenset[Path]) -> Iterator[str]:
    from edaphon.acquire.renamed import files_now  # no start pays for it

    files, problem = files_now(source.file, secrets)
    if problem:
        yield f"source {source.path}: {problem}"
    elif not files:
        yield f"source {source.path}: no file {source.file} yet; it is read when it is there"
    closed = next((name for name in files if not os.access(name, _READ)), None)
    if closed is not None:
        yield f"source {source.path}: {closed} is not for this account. {_allowed(Path(closed))}"


def _storage(folder: Path) -> Iterator[str]:
    there = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    if not there.is_dir():
        yield f"storage: {there} is no folder; name another"
    elif not os.access(there, _WRITE | os.X_OK):
        yield f"storage: {folder} is not for this account. {_allowed(there)}"


def _twice(followed: Iterable[FileSource]) -> Iterator[str]:
    """Sources that follow one file with one model: each row of it would be recorded by both."""
    from edaphon.acquire.renamed import files_now

    known: dict[tuple[str, str], str] = {}
    for source in followed:
        for name in {str(source.file), *files_now(source.file)[0]}:
            first = known.setdefault((name, source.model), source.path)
            if first != source.path:
                yield f"source {source.path}: {name} is followed by {first} too; one is enough"
                break


def _codec_engine() -> Iterator[str]:
    if find_spec("quickjs") is None:
        from edaphon_drivers import javascript

        words = javascript.INSTALL
        if Path(sys.prefix).is_relative_to(_SERVICE_PROGRAM):
            words = f"sudo {words.replace('install', 'install --service')}"
        yield (
            "codec_file: makers' JavaScript needs the extra `codecs`; type in the folder of"
            f" edaphon:  {words}"
        )


def _allowed(place: Path) -> str:
    """Who may use a place, and how this account becomes one of them."""
    try:
        about = place.stat()
        group = grp.getgrgid(about.st_gid).gr_name
    except (OSError, KeyError):
        return "Name a place that this account may use"
    needed = stat.S_IRGRP
    if place.is_dir():
        needed = stat.S_IWGRP if os.access(place, os.X_OK) else stat.S_IXGRP
    if not about.st_mode & needed or about.st_gid == 0:
        return f"{place} belongs to another account: name a place of your own, or use sudo"
    return (
        f"The group {group} may use {place}. Join it, then log in again:"
        f"  sudo adduser {account_name()} {group}"
    )
