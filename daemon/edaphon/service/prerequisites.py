"""What a configuration needs of this machine and reaches with it, each with what to do next."""

import errno
import grp
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel

from edaphon.alerts.receivers import RECEIVERS
from edaphon.config import Configuration, FileSource, LorawanSource
from edaphon.config.model import secret_files
from edaphon.config.reading import named_values, read_codec
from edaphon.config.sources import Bus
from edaphon.facts import FactRow, evidence_files
from edaphon.journal import Entry, Kind, read_only
from edaphon.network.requests import is_loopback
from edaphon.people import account_name
from edaphon.sinks.sink import SINKS
from edaphon.storage.paths import SERVICE_FOLDER, Layout
from edaphon.toml_input.lines import ConfigError, Document, Place
from edaphon.toml_input.values import Secret, secret_host
from edaphon_calibration import checks, curves
from edaphon_drivers.faults import Fault
from edaphon_drivers.registry import CODECS, ENGINES, ENVELOPES, LINKS, MODEL_SHEETS
from edaphon_drivers.sheets import Sheet, model_names, sheet_package, sheet_problems

READS, WRITES, CONNECTS, LISTENS = "reads", "writes", "connects to", "listens on"
_Accesses = Iterator[tuple[str, str, Place]]  # what is done, with what, where it is written
_SERVICE_PROGRAM = Path("/usr/local/lib/edaphon")
_WRITE, _READ = os.W_OK, os.R_OK
ALL_CODECS_S = 10.0  # for all codecs of a configuration; those left are loaded by the service


class Access(NamedTuple):
    """`what` is a file, a folder, a variable or host:port; `key`, `line`: where it is written."""

    does: str
    what: str
    key: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.does:<12} {self.what}   ({self.key}, {Path(self.file).name}:{self.line})"


def accesses(
    document: Document, config: Configuration, kinds: Mapping[Place, BaseModel]
) -> list[Access]:
    """Each once, in the order reads, writes, connects, listens; `kinds`: settings of [[sink]] and
    [[notify]]."""
    found: dict[tuple[str, str], Access] = {}
    for does, what, place in _all_accesses(config, kinds):
        key = ".".join(str(part) for part in place if isinstance(part, str))
        one = Access(does, what, key, document.file, document.line(place))
        found.setdefault((does, what), one)
    order = (READS, WRITES, CONNECTS, LISTENS)
    return sorted(found.values(), key=lambda one: (order.index(one.does), one.line))


def evidence_accesses(rows: Iterable[FactRow]) -> list[Access]:
    """The files that facts rest on, which the journal keeps."""
    return [
        Access(
            READS, str(one.path), f"{row.fact.table}.evidence", row.file, row.line_of("evidence")
        )
        for row in rows
        for one in evidence_files([row])
    ]


def unencrypted(document: Document, config: Configuration) -> list[ConfigError]:
    """Secrets of brokers and of the sign of life that others on the way could read."""
    found = []
    for name, broker in config.brokers.items():
        if broker.password is not None and not broker.tls and not is_loopback(broker.host):
            came = f"the password goes unencrypted to {broker.host}"
            right = "tls = true and the port of the broker for it, such as 8883"
            found.append(_error_at(document, ("broker", name, "host"), came, right))
    url = config.alerts.heartbeat_url
    host = secret_host(url) if isinstance(url, Secret) else ""
    if host and not is_loopback(host):
        came = f"the secret address goes unencrypted to {host}"
        found.append(_error_at(document, ("alerts", "heartbeat_url"), came, "an address of https"))
    return found


def _error_at(document: Document, place: Place, came: str, right: str) -> ConfigError:
    key = ".".join(str(part) for part in place if isinstance(part, str))
    return ConfigError(document.file, document.line(place), key, came, right)


def _all_accesses(config: Configuration, kinds: Mapping[Place, BaseModel]) -> _Accesses:
    yield WRITES, str(config.storage.folder), ("storage", "folder")
    if config.facts.inbox is not None:
        yield READS, str(config.facts.inbox / "*.toml"), ("facts", "inbox")
    yield LISTENS, config.web.listen, ("web", "listen")
    for name, bus in config.buses.items():
        yield from _bus_accesses(("bus", name), bus)
    for name, supply in config.supplies.items():
        yield WRITES, str(supply.file), ("supply", name, "file")
    for name, broker in config.brokers.items():
        yield CONNECTS, f"{broker.host}:{broker.port}", ("broker", name, "host")
        yield from _named_accesses(("broker", name), broker)
    for number, source in enumerate(config.sources):
        if isinstance(source, FileSource):
            yield READS, str(source.file), ("source", number, "file")
        elif isinstance(source, LorawanSource) and source.codec_file is not None:
            yield READS, str(source.codec_file), ("source", number, "codec_file")
    yield from _named_accesses(("alerts",), config.alerts)
    yield from _address_accesses(("alerts", "heartbeat_url"), config.alerts.heartbeat_url)
    for place, settings in kinds.items():
        yield from _named_accesses(place, settings)
        yield from _kind_accesses(place, settings)


def _bus_accesses(place: Place, bus: Bus) -> _Accesses:
    if "://" in bus.port:
        yield CONNECTS, bus.port.partition("://")[2], (*place, "port")
    else:
        yield READS if bus.kind == "w1" else WRITES, bus.port, (*place, "port")
    if bus.multiplexer is not None:
        yield WRITES, str(bus.multiplexer.file), (*place, "multiplexer", "file")


def _named_accesses(place: Place, table: BaseModel) -> _Accesses:
    """Its secrets, and its files: keys that end in _file."""
    for inside, value in named_values(place, table):
        if isinstance(value, Secret):
            yield READS, value.variable if value.env else str(value.file), inside
        elif isinstance(value, Path) and str(inside[-1]).endswith("_file"):
            yield READS, str(value), inside


def _address_accesses(place: Place, url: Any) -> _Accesses:
    if isinstance(url, Secret):
        where = url.variable if url.env else str(url.file)
        yield CONNECTS, f"the address in {where}", place
    elif url:
        parts = urlsplit(str(url))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        yield CONNECTS, f"{parts.hostname}:{port}", place


def _kind_accesses(place: Place, settings: BaseModel) -> _Accesses:
    """What the settings of a kind say that they reach: a path is written, all else connected to."""
    reaches: Iterable[tuple[str, Any]] = getattr(settings, "reaches", ())
    for key, value in reaches:
        if isinstance(value, Path):
            yield WRITES, str(value), (*place, key)
        elif isinstance(value, Secret) or "://" in str(value):
            yield from _address_accesses((*place, key), value)
        else:
            yield CONNECTS, str(value), (*place, key)


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
    if "://" not in bus.port:
        path = Path(bus.port)
        listing = "/dev/serial/by-id" if bus.kind not in {"i2c", "w1"} else path.parent
        missing = f"plug it in, or take a path from:  ls -l {listing}"
        mode = _READ if bus.kind == "w1" else _READ | _WRITE
        yield from _file(f"bus {name}", path, missing, mode)


def _file(
    name: str, path: Path, missing: str = "see that its driver or program runs", mode: int = _WRITE
) -> Iterator[str]:
    if not os.path.exists(path):
        yield f"{name}: {path} is not there; {missing}"
    elif not os.access(path, mode):
        yield f"{name}: {path} is not for this account. {_allowed(path)}"


def _followed(source: FileSource, secrets: frozenset[Path]) -> Iterator[str]:
    from edaphon.acquire.file_pieces import files_now

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
    from edaphon.acquire.file_pieces import files_now

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


def codec_errors(
    document: Document, config: Configuration, all_s: float = ALL_CODECS_S
) -> tuple[list[ConfigError], list[ConfigError]]:
    """About codecs that can't be loaded, and about those for which there was no time."""
    wrong: list[ConfigError] = []
    untried: list[ConfigError] = []
    end_s, tried = time.monotonic() + all_s, set[Path | None]({None})
    for number, source in enumerate(config.sources):
        if not isinstance(source, LorawanSource) or source.codec_file in tried:
            continue
        tried.add(source.codec_file)
        place, named = ("source", number, "codec_file"), f'"{source.codec_file}"'
        if time.monotonic() > end_s:
            came = f"{named} was not tried, since others took {all_s:g} s"
            right = "fewer codecs at once, or wait for its first uplink"
            untried.append(_error_at(document, place, came, right))
        elif (why := _codec_problem(source)) is not None:
            came = f"{named} can't be used: {why}"
            wrong.append(_error_at(document, place, came, "the file as its maker publishes it"))
    return wrong, untried


def _codec_problem(source: LorawanSource) -> str | None:
    from edaphon_drivers.codec_process import engine_folder
    from edaphon_drivers.javascript import Codec

    if engine_folder() is None or source.codec_file is None:
        return None  # the lack of the engine is one line of its own
    try:
        text = read_codec(source.codec_file)
    except (OSError, UnicodeDecodeError):
        return None  # which is a mistake of every file that a configuration names
    try:
        Codec(text, str(source.codec_file)).load()
    except Fault as fault:
        return str(fault)
    return None


def why_not_taken(file: Path, sheet: Sheet | None, secrets: frozenset[Path]) -> str | None:
    """None where nothing speaks against it; without a sheet its lines are not looked at."""
    from edaphon.acquire.file_pieces import files_of, why_no_rows
    from edaphon_drivers.outside import open_file

    account = account_name()
    try:
        found, problem = files_of([str(file)], None, secrets)
        if problem:
            return problem
        if not found:
            return (
                f"{file}: expected a file, the account {account} of the service finds none there;"
                " it does not see /home, /root and the /tmp of others"
            )
        open_file(file, file.parent).close()
        why = why_no_rows(file, sheet) if sheet is not None else None
    except OSError as error:
        return (
            f"{file}: expected a file that the account {account} of the service can read, got"
            f" {error.strerror}; for example: setfacl -m u:{account}:r {file}"
        )
    if why is None:
        return None
    assert sheet is not None  # noqa: S101  without one nothing was looked at
    return f"{file}: expected rows of {sheet.title}, got none{why}\n--force takes it all the same"


REGISTRIES = {
    "engine": ENGINES,
    "envelope": ENVELOPES,
    "codec": CODECS,
    "link": LINKS,
    "sink": SINKS,
    "receiver": RECEIVERS,
}
# Last word of the key of an error -> the kind of part that it names in quotes.
_KINDS = {
    "source.model": "model",
    "sink.kind": "sink",
    "notify.kind": "receiver",
    "calibration.curve": "curve",
    "calibration.curve.parameters": "curve",
}
Packages = dict[str, str]  # "sink example-csv" -> "edaphon-example 1.0"


def installed_packages() -> Packages:
    """The parts that other packages give now."""
    found = {
        f"{kind} {name}": package
        for kind, known in REGISTRIES.items()
        for name, package in known.foreign()
    }
    found |= {f"model {m}": package for m in model_names() if (package := sheet_package(m))}
    found |= {f"curve {name}": package for name, package in curves.known_curves().packages.items()}
    found |= {f"check {name}": package for name, package in checks.known_checks().packages.items()}
    return dict(sorted(found.items()))


def packages_to_record(before: Entry | None, text: str) -> Packages:
    """Those installed, and those that `before`, the last journalled one, had and `text` needs."""
    kept = {
        part: package
        for part, package in _recorded_in(before).items()
        if part.startswith(("curve ", "check ")) or f'"{part.partition(" ")[2]}"' in text
    }
    return dict(sorted({**kept, **installed_packages()}.items()))


def recorded_packages(layout: Layout) -> Packages:
    """Those that the last accepted configuration was journalled with."""
    if not layout.journal.exists():
        return {}
    last = read_only(layout.journal).copies.last(Kind.CONFIGURATION)
    return _recorded_in(last[1] if last else None)


def _recorded_in(entry: Entry | None) -> Packages:
    return dict(orjson.loads(entry.payload).get("packages", {})) if entry is not None else {}


def lacking_part(error: ConfigError, recorded: Mapping[str, str]) -> str:
    """The recorded part that an error is about; "" for any other error."""
    part = _part_of(error)
    return part if part in recorded else ""


def _part_of(error: ConfigError) -> str:
    """The kind and name of the part that an error may be about, "" for none."""
    kind = _KINDS.get(error.key, "")
    if error.key.startswith("broker.") and error.key.endswith(".envelope"):
        kind = "envelope"
    elif error.key.startswith("bus.") and error.key.endswith(".kind"):
        kind = "link"
    elif error.key.startswith("channel.checks"):
        kind = "check"
    elif error.key.startswith("model.") and error.key.endswith((".engine", ".codec")):
        kind = error.key.rpartition(".")[2]
    quoted = error.came.partition('"')[2].partition('"')[0]
    return f"{kind} {quoted}" if kind else ""


def with_packages(errors: tuple[ConfigError, ...], layout: Layout) -> Iterator[ConfigError]:
    """The errors; one about a part whose package was removed names the package."""
    recorded = recorded_packages(layout) if any(map(_part_of, errors)) else {}
    for error in errors:
        if part := lacking_part(error, recorded):
            right = f"install {recorded[part]} again, which gives the {part}; without it only"
            yield error._replace(right=f"{right} what needs this part waits")
        else:
            yield error


def lacking_outlets(recorded: Mapping[str, str]) -> Iterator[str]:
    """Sinks and receivers that are configured and that no package gives now, for a person."""
    for part, package in recorded.items():
        kind, _, name = part.partition(" ")
        if kind in {"sink", "receiver"} and REGISTRIES[kind].problem(name):
            yield (
                f"the {part} of {package} is not installed, or can't be used. What it is to get"
                f" waits: install {package} again and restart the service"
            )


def part_problems() -> Iterator[str]:
    """What is wrong with the parts of other packages."""
    for known in (*REGISTRIES.values(), MODEL_SHEETS):
        yield from known.problems()
    yield from sheet_problems()
    yield from curves.known_curves().problems
    yield from checks.known_checks().problems
