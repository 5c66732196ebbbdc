"""Which parts of other packages a configuration needs, and what to do when one is missing."""

from collections.abc import Iterator, Mapping

import orjson

from edaphon.alerts.receivers.kinds import RECEIVERS
from edaphon.journal import Entry, Kind, read_only
from edaphon.sinks.sink import SINKS
from edaphon.storage.paths import Layout
from edaphon.toml_input import ConfigError
from edaphon_calibration import checks, curves
from edaphon_drivers.registry import CODECS, ENGINES, ENVELOPES, LINKS, MODEL_SHEETS
from edaphon_drivers.sheets import model_names, sheet_package, sheet_problems

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
    """Those that are installed, and those that are not and that are still needed.

    `before` is the configuration that was journalled last, `text` that of now.
    """
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
