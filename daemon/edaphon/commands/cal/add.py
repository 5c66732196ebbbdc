"""`edaphon cal add`: a calibration or a check from a certificate, written into the inbox."""

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from edaphon.commands.check import write_new
from edaphon.commands.options import USAGE, Config, Json
from edaphon.facts import Knowledge, knowledge_conflicts, new_rows, read_facts
from edaphon.printer import show_found
from edaphon.service.check import Configured, configured, usual_file
from edaphon.storage.access import Storage, fail
from edaphon.storage.entered_facts import facts_entered
from edaphon.storage.paths import Layout
from edaphon.toml_input.lines import ConfigError, read_document, toml_row
from edaphon.toml_input.values import read_bytes
from edaphon_calibration.curves import find_curve
from edaphon_calibration.errors import UnknownCurve, suggestion
from edaphon_calibration.fit import FitResult

Said = Mapping[str, Any]
_PLAIN = ("supersedes", "channel", "sensor", "output")
_MADE_BY = ("operator", "method", "reference", "certificate")
_OF_CALIBRATION = (
    "curve", "parameter", "u", "covariance", "step", "second_output", "second_channel", "max_age",
    "from_unit", "to_unit", "domain", "drifts_from", "expires", "drift_per_year",
)  # fmt: skip
_OF_CHECK = ("state", "reading", "reference_value", "u_reference", "unit")
# Keys of a row whose option is called otherwise.
_OPTIONS = {
    "parameters": "--parameter",
    "reference": "--reference-standard",
    "second": "--second-output or --second-channel with --max-age",
}


def calibration_row(stated: Said) -> dict[str, Any]:
    """Keys and values in the order in which they are written."""
    _none_of(stated, _OF_CHECK, "belongs to a check: add --check, or leave it out")
    name = _known_curve(stated["curve"])
    parameters = _in_order(name, numbers_given(stated["parameter"], "--parameter"))
    row = _begin(stated, "")
    row |= {"step": stated["step"], "curve": name, "second": _second(stated)}
    row |= {"parameters": parameters, "covariance": _covariance(stated, name, parameters)}
    row |= {key: stated[key] for key in ("from_unit", "to_unit")}
    row["domain"] = _domain(stated["domain"])
    row |= _period(stated) | {k: stated[k] for k in ("drifts_from", "expires", "drift_per_year")}
    return _stated(row | {key: stated[key] for key in _MADE_BY})


def check_row(stated: Said) -> dict[str, Any]:
    """Keys and values in the order in which they are written."""
    _none_of(stated, _OF_CALIBRATION, "belongs to a calibration: leave it out, or --check")
    row = _begin(stated, "check") | {key: stated[key] for key in _OF_CHECK} | _period(stated)
    return _stated(row | {key: stated[key] for key in _MADE_BY})


def as_options(config_error: ConfigError) -> str:
    """The words of check, for somebody who wrote options and no file."""
    _, _, key = config_error.key.partition(".")
    if not key:  # of the row as a whole
        return f"expected {_spoken(config_error.right)}"
    key = key.split(".")[0]
    right = _spoken(config_error.right)
    if key == "second":
        right = right.replace("--output", "--second-output").replace(
            "--channel", "--second-channel"
        )
    return f"{_option(key)}: {config_error.came}; {right}"


def _spoken(right: str) -> str:
    """`key` and key = "text" as options."""
    right = re.sub(r'\b([a-z_]+) = "([^"]*)"', lambda m: f"{_option(m[1])} {_quoted(m[2])}", right)
    return re.sub(r"`([a-z_]+)`", lambda m: _option(m[1]), right)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


def _option(key: str) -> str:
    return _OPTIONS.get(key, f"--{key.replace('_', '-')}")


def _none_of(stated: Said, names: Iterable[str], why: str) -> None:
    for name in names:
        if stated[name] not in {None, ""} if not isinstance(stated[name], list) else stated[name]:
            raise fail(f"{_option(name)}: {why}", USAGE)


def _known_curve(name: str) -> str:
    if not name:
        raise fail("expected --curve NAME, such as linear, or --check", USAGE)
    try:
        find_curve(name)
    except UnknownCurve as error:
        raise fail(str(error), USAGE) from None
    return name


def _begin(stated: Said, kind: str) -> dict[str, Any]:
    subject = stated["channel"] or f"{stated['sensor']}-{stated['output']}"
    day = (stated["since"] or stated["to"])[:10]
    name = "-".join(filter(None, (subject, kind, day or stated["curve"])))
    plain = re.sub("[^A-Za-z0-9._:-]", "-", name)[:64]
    return {"id": stated["id"] or plain, **{key: stated[key] for key in _PLAIN}}


def _period(stated: Said) -> dict[str, str]:
    return {"from": stated["since"], "to": stated["to"]}


def _stated(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, "", {}, [])}


def _second(stated: Said) -> dict[str, str]:
    keys = {"output": "second_output", "channel": "second_channel", "max_age": "max_age"}
    return {key: stated[name] for key, name in keys.items() if stated[name]}


def numbers_given(given: Iterable[str] | None, option: str) -> dict[str, float]:
    """By name; ends with words for what is no NAME=VALUE."""
    found: dict[str, float] = {}
    for text in given or ():
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise fail(f"expected {option} NAME=VALUE, got {text!r}", USAGE) from None
        if not isfinite(found[name.strip()]):
            raise fail(f"expected {option} with a finite number, got {text!r}", USAGE)
    return found


def _in_order(curve: str, given: Mapping[str, float]) -> dict[str, float]:
    """In the curve's order, which a covariance follows."""
    first = find_curve(curve).in_order(given)
    return {name: given[name] for name in (*first, *given)}


def _covariance(stated: Said, curve: str, parameters: Mapping[str, float]) -> list[list[float]]:
    spread = numbers_given(stated["u"], "--u")
    if spread and stated["covariance"]:
        raise fail("expected --u for each parameter, or --covariance; got both", USAGE)
    if stated["covariance"]:
        return _matrix(stated["covariance"])
    for name, u in spread.items():
        if name not in parameters:
            near = suggestion(name, parameters)
            raise fail(f"--u: expected a --parameter of {curve}, got {name!r}{near}", USAGE)
        if u < 0.0:
            raise fail(f"--u: expected 0 or more, got {name}={u:g}", USAGE)
    if not spread:
        return []
    variances = [spread.get(name, 0.0) ** 2 for name in parameters]
    return [
        [variance if a == b else 0.0 for b in range(len(variances))]
        for a, variance in enumerate(variances)
    ]


def _matrix(text: str) -> list[list[float]]:
    right = "--covariance: expected rows in brackets, such as [[1e-6, 0], [0, 4e-6]]"
    try:
        found = tomllib.loads(f"rows = {text}")["rows"]
        return [[float(number) for number in row] for row in found]
    except (TypeError, ValueError, OverflowError, RecursionError):  # of tomllib or float
        raise fail(f"{right}, got {text!r}", USAGE) from None


def _domain(text: str) -> list[float]:
    if not text:
        return []
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise fail(f"--domain: expected LOW,HIGH such as 0.05,0.45, got {text!r}", USAGE) from None
    return [low, high]


_SUBJECT = ("id", "supersedes", "channel", "sensor", "output")
_MADE = ("from", "operator", "reference")
_OF_FEW = ("two_point", "zero_span", "offset")  # they span nothing beyond which they would not hold


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fit with its number of free parameters, its units [x, y], and the file of its points."""

    result: FitResult
    free: int
    units: tuple[str, str]
    file: str
    sha256: str

    @property
    def domain(self) -> list[float] | None:
        """From the lowest to the highest point, where there are enough to vouch for what lies
        between."""
        low, high = map(float, self.result.range)
        few = self.result.n < 3 or self.result.curve in _OF_FEW
        return None if few or not low < high else [low, high]

    @property
    def span(self) -> str:
        low, high = self.result.range
        return f"{low:.6g} to {high:.6g} {self.units[0]}"

    @property
    def scatter(self) -> str:
        """Residual SD in words, "" where as many parameters as points leave none."""
        found = self.result
        return f"residual SD {found.residual_sd:.3g} {self.units[1]}" if self.scatters else ""

    @property
    def scatters(self) -> bool:
        return isfinite(self.result.residual_sd)


def as_table(fitted: Fitted, stated: Mapping[str, str]) -> dict[str, Any]:
    """The calibration by its keys, in the curve's order; `stated` are people's texts."""
    found = fitted.result
    order = find_curve(found.curve).in_order(found.parameters)
    place = [list(found.parameters).index(name) for name in order]
    table: dict[str, Any] = {key: stated[key] for key in _SUBJECT if stated.get(key)}
    table |= {"curve": found.curve, "parameters": {n: found.parameters[n] for n in order}}
    if found.covariance is not None:
        table["covariance"] = [[float(found.covariance[a, b]) for b in place] for a in place]
    table |= dict(zip(("from_unit", "to_unit"), fitted.units, strict=True))
    if fitted.domain is not None:
        table["domain"] = fitted.domain
    how = f"fit of {found.n} points from {fitted.span}"
    method = "; ".join(filter(None, (stated.get("method"), how, fitted.scatter)))
    table |= {key: stated[key] for key in _MADE if stated.get(key)}
    return {**table, "method": method, "evidence": {fitted.file: fitted.sha256}}


def as_toml(fitted: Fitted, table: Mapping[str, Any]) -> str:
    """The row as text, with a comment on how far it holds."""
    words = [
        f"Fitted through the {fitted.result.n} points of {_line(fitted.file)}.",
        f"They lie from {fitted.span}; beyond that it is an extrapolation.",
    ]
    if fitted.scatters:
        words.append(f"{fitted.scatter}, {fitted.result.n - fitted.free} degrees of freedom.")
    if fitted.result.covariance is None:
        words.append("No covariance: the points are too few to show their scatter.")
    if "from" not in table:
        words.append("Without `from` it counts for all times.")
    words.append(f"Keep {_line(fitted.file)} in the folder of this file: both go into the journal.")
    return toml_row("calibration", table, words)


def config_errors(text: str) -> list[ConfigError]:
    """What check would say of the text by itself."""
    rows, wrong = read_facts(read_document("calibration.toml", text))
    return [*wrong, *knowledge_conflicts(rows, Knowledge())]


def _line(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)


class EvidenceCopy(NamedTuple):
    """A file under its name next to the TOML file; `place` is where it is to be put, if it is not
    there yet."""

    name: str
    sha256: str
    data: bytes
    place: Path | None


def evidence_next_to(files: Iterable[Path], toml: Path) -> list[EvidenceCopy]:
    """Each file once; ends with words for one that can't be read or put there."""
    found = [_paper(path, toml.parent) for path in dict.fromkeys(files)]
    named: dict[str, EvidenceCopy] = {}
    for one in found:
        other = named.setdefault(one.name, one)
        if other.sha256 != one.sha256:
            raise fail(f"expected files of different names, got two of {one.name}", USAGE)
    return list(named.values())


def put(evidence: Iterable[EvidenceCopy]) -> list[Path]:
    """Write those that are not there yet; which these are."""
    new = [(one.place, one.data) for one in evidence if one.place is not None]
    for place, data in new:
        with place.open("xb") as file:  # never through a link that is there
            file.write(data)
    return [place for place, _ in new]


def _paper(path: Path, folder: Path) -> EvidenceCopy:
    try:
        data = read_bytes(path)
    except OSError as error:
        words = f"expected a file that can be read, got {path} ({error.strerror})"
        raise fail(words, USAGE) from None
    sha256 = hashlib.sha256(data).hexdigest()
    if path.resolve().is_relative_to(folder.resolve()):
        name = path.resolve().relative_to(folder.resolve()).as_posix()
        return EvidenceCopy(name, sha256, data, None)
    place = folder / path.name
    if not os.path.lexists(place):
        return EvidenceCopy(path.name, sha256, data, place)
    if not _holds(place, data):
        raise fail(f"{place} is there already with other content; give {path.name} another name")
    return EvidenceCopy(path.name, sha256, data, None)


def _holds(place: Path, data: bytes) -> bool:
    try:
        return read_bytes(place, within=place.parent) == data
    except OSError:  # a link to nowhere, a pipe
        return False


EACH = "as NAME=VALUE, as often as needed"


def add(
    channel: Annotated[str, typer.Option(help="its channel (soil or site step)")] = "",
    sensor: Annotated[str, typer.Option(help="or the serial number of the sensor")] = "",
    output: Annotated[str, typer.Option(help="with --sensor: output of the sensor")] = "",
    curve: Annotated[str, typer.Option(help="name of a curve, such as linear")] = "",
    parameter: Annotated[list[str] | None, typer.Option(help=f"number of the curve {EACH}")] = None,
    u: Annotated[
        list[str] | None, typer.Option("--u", help=f"standard uncertainty of a parameter {EACH}")
    ] = None,
    covariance: Annotated[
        str, typer.Option(help="or the whole covariance, such as [[1e-6, 0], [0, 4e-6]]")
    ] = "",
    since: Annotated[str, typer.Option("--from", help="valid from this time on")] = "",
    to: Annotated[str, typer.Option(help="valid until just before this time")] = "",
    step: Annotated[int | None, typer.Option(help="number of the step: 1 to 3")] = None,
    second_output: Annotated[str, typer.Option(help="second input: output of the record")] = "",
    second_channel: Annotated[str, typer.Option(help="second input: another channel")] = "",
    max_age: Annotated[str, typer.Option(help="maximum age of that value, such as 30min")] = "",
    from_unit: Annotated[str, typer.Option(help="unit of the input")] = "",
    to_unit: Annotated[str, typer.Option(help="unit of the result")] = "",
    domain: Annotated[str, typer.Option(help="LOW,HIGH: valid range, in --from-unit")] = "",
    drifts_from: Annotated[str, typer.Option(help="id of the one before deployment")] = "",
    expires: Annotated[str, typer.Option(help="values after this time are suspect")] = "",
    drift_per_year: Annotated[float | None, typer.Option(help="each year, in --to-unit")] = None,
    check: Annotated[bool, typer.Option("--check", help="write a field check instead")] = False,
    state: Annotated[str, typer.Option(help='field check: "as found" or "as left"')] = "",
    reading: Annotated[float | None, typer.Option(help="field check: mean of the channel")] = None,
    reference_value: Annotated[
        float | None, typer.Option(help="field check: mean of the reference")
    ] = None,
    u_reference: Annotated[
        float | None, typer.Option(help="field check: standard uncertainty of the reference")
    ] = None,
    unit: Annotated[str, typer.Option(help="field check: unit, if not that of the channel")] = "",
    id: Annotated[str, typer.Option("--id", help="name; default: made of the rest")] = "",
    supersedes: Annotated[str, typer.Option(help="id of the one that it corrects")] = "",
    operator: Annotated[str, typer.Option(help="person who made it")] = "",
    method: Annotated[str, typer.Option(help="method")] = "",
    reference: Annotated[str, typer.Option("--reference-standard", help="reference standard")] = "",
    certificate: Annotated[str, typer.Option(help="number of the certificate")] = "",
    evidence: Annotated[
        list[Path] | None, typer.Option(help="file with evidence, such as the certificate")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("-o", "--write", help="file to write; default: in the inbox")
    ] = None,
    file: Config = None,
    json: Json = False,
) -> None:
    """Write a calibration as a file, or with --check a field check.

    It takes effect when you apply it, or when the service starts and reads the inbox.
    """
    _add(dict(locals()), evidence or [], write, file, json)


def _add(
    stated: Mapping[str, Any],
    evidence: list[Path],
    write: Path | None,
    file: Path | None,
    json: bool,
) -> None:
    """`stated` are the options by their names."""
    place, kind = _place(file, write), "check" if stated["check"] else "calibration"
    row = check_row(stated) if stated["check"] else calibration_row(stated)
    target = write or _inbox(place) / f"{row['id']}.toml"
    if os.path.lexists(target):
        raise fail(f"{target} is there already; choose another --id, or another file with -o")
    certificates = evidence_next_to(evidence, target)
    if certificates:
        row["evidence"] = {one.name: one.sha256 for one in certificates}
    text = toml_row(kind, row)
    config_errors = _errors(text, str(target), place)
    if config_errors:
        raise fail("\n".join(as_options(config_error) for config_error in config_errors), USAGE)
    written = _written(target, text, certificates)
    table = {kind: row, "written": [str(path) for path in written]}
    show_found(json, table, _next(target, place, _counts_as_exact(row)))


class _AddPlace(NamedTuple):
    """The configuration with what is known by its journal; its inbox, if it has one."""

    own: Configured | None
    knowledge: Knowledge
    inbox: Path | None


def _place(file: Path | None, write: Path | None) -> _AddPlace:
    """Without a configuration where there is none and the file to write is given."""
    if file is None and write is not None and not usual_file().exists():
        return _AddPlace(None, Knowledge(), None)
    own = configured(file or usual_file())
    storage = Storage(own.config, Layout(own.config.storage.folder))
    inbox = own.config.facts.inbox if own.config.facts else None
    return _AddPlace(own, facts_entered(storage).knowledge, inbox)


def _inbox(place: _AddPlace) -> Path:
    if place.inbox is None:
        raise fail("expected -o FILE, or [facts] with inbox in the configuration", USAGE)
    return place.inbox


def _errors(text: str, file: str, place: _AddPlace) -> list[ConfigError]:
    """Those of check on top of what is known and of what waits in the inbox."""
    rows, wrong = read_facts(read_document(file, text))
    if place.own is None:
        found = knowledge_conflicts(rows, place.knowledge)
        # what it supersedes is in a journal, which is not here
        found = [c for c in found if "no earlier fact" not in c.came]
    else:
        config = place.own.config
        waiting = new_rows(place.own.rows, place.knowledge)
        everything = (*waiting, *rows)
        found = knowledge_conflicts(
            everything, place.knowledge, config.outputs(), sheets=config.sheets
        )
    return [*wrong, *(c for c in found if c.file == file)]


def _written(target: Path, text: str, certificates: list[EvidenceCopy]) -> list[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    copied = put(certificates)
    write_new(target, text)
    return [*copied, target]


def _counts_as_exact(row: Mapping[str, Any]) -> bool:
    """Whether no uncertainty of the curve or its parameters goes into values."""
    name = row.get("curve")
    return bool(name) and not row.get("covariance") and not find_curve(str(name)).uncertainty


def _next(target: Path, place: _AddPlace, exact: bool) -> Iterator[str]:
    yield f"{target} is written; nothing is changed yet"
    yield f"  edaphon cal preview {target}    shows what it would change"
    yield f"  edaphon cal apply {target}      puts it in force"
    if place.inbox is not None and target.parent.resolve() == place.inbox.resolve():
        yield "It lies in the inbox, which the daemon takes over at its next start."
    if exact:
        yield "No uncertainty is stated, so it counts as exact; --u or --covariance says it."
