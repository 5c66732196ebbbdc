"""`edaphon cal show`: all that is known of one calibration, check or maker's curve."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import orjson
import typer

from edaphon import __version__
from edaphon.clock import FAR_NS, instant_text
from edaphon.commands.options import Config, Folder, Json
from edaphon.commands.query import instant
from edaphon.facts import Calibration, Fact, FactoryCurve, FieldCheck, Revocation, pin_of, table_of
from edaphon.facts.model import OfSubject
from edaphon.journal import read_only
from edaphon.model import ALWAYS
from edaphon.people import person
from edaphon.printer import show_error, show_found, show_json, show_rows
from edaphon.storage.access import Storage, fail, open_folder
from edaphon.storage.entered_facts import Entered, EnteredFacts, facts_entered
from edaphon.toml_input.lines import toml_row
from edaphon.toml_input.values import read_bytes
from edaphon_calibration.curves import curve_names, find_curve, known_curves
from edaphon_calibration.errors import suggestion
from edaphon_calibration.prepare import prepare_step
from edaphon_drivers.sheets import Sheets

if TYPE_CHECKING:  # it imports the drivers
    from edaphon.derive.calibrate import Segment

KINDS = (Calibration, FieldCheck, FactoryCurve)
HEADER = ("id", "kind", "subject", "step", "curve", "from", "to", "known_since", "who", "state")


class CalibrationState(NamedTuple):
    """Whether a fact is in force; else what took its place, or who took it back and why."""

    in_force: bool
    by: str = ""
    why: str = ""

    @property
    def words(self) -> str:
        if self.in_force:
            return "in force"
        return f"revoked: {self.why}" if self.why else f"superseded by {self.by}"


def listed(
    channel: Annotated[str, typer.Option(help="only for this channel")] = "",
    all: Annotated[bool, typer.Option("--all", help="also superseded and revoked ones")] = False,
    as_known_at: Annotated[str, typer.Option(help="as known at this time")] = "",
    file: Config = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """List the calibrations, field checks and makers' curves that are in force."""
    storage = open_folder(file, folder)
    reported = facts_entered(storage)
    if channel and channel not in reported.knowledge.channels:
        near = suggestion(channel, reported.knowledge.channels)
        raise fail(f"expected the id of a channel, got {channel!r}{near}")
    if as_known_at:
        reported = reported.as_known_at(instant(as_known_at, FAR_NS))
    rows = list(_rows(reported, storage, channel, all))
    if json:
        show_json(rows)
        return
    shown = [{**row, "who": person(row["who"], row["account"])} for row in rows]
    show_rows(HEADER, ([row[name] for name in HEADER] for row in shown))
    for row in rows:
        if row["sheet"]:
            show_error(f"{row['id']}: {row['sheet']}")


def _rows(
    reported: EnteredFacts, storage: Storage, channel: str, all: bool
) -> Iterator[dict[str, Any]]:
    for one in reported.entered:
        fact, state = one.reported.fact, state_of(reported, one)
        if not isinstance(fact, KINDS) or not (all or state.in_force):
            continue
        if channel and not _bears_on(fact, reported, channel):
            continue
        sheet = ""
        if isinstance(fact, FactoryCurve) and state.in_force:
            sheet = sheet_says(fact, storage.config.sheets)
        yield {
            **_row(fact, one),
            "state": state.words + ("; its sheet says otherwise" if sheet else ""),
        } | {"by": state.by, "sheet": sheet}


def _row(fact: Fact, one: Entered) -> dict[str, Any]:
    reported: dict[str, Any] = {"id": fact.id, "kind": fact.table, "step": None, "curve": ""}
    if isinstance(fact, OfSubject):
        start, end = (None if t is None else instant_text(t) for t in (fact.from_ns, fact.to_ns))
        reported |= {"subject": " ".join(fact.subject), "from": start, "to": end}
    if isinstance(fact, Calibration):
        reported |= {"step": fact.place, "curve": fact.curve}
    elif isinstance(fact, FieldCheck):
        found = f"{fact.state} {fact.deviation:+.3g} {fact.unit or ''}".strip()
        reported |= {"curve": f"{found}, u {fact.u_reference:g}"}
    elif isinstance(fact, FactoryCurve):
        reported |= {"subject": " ".join(fact.key), "curve": fact.curve, "from": None, "to": None}
    return reported | {
        "known_since": one.known_since,
        "who": one.reported.who,
        "account": one.reported.account,
    }


def state_of(reported: EnteredFacts, one: Entered) -> CalibrationState:
    """Of one entered fact, as everything entered says it."""
    knowledge, id = reported.knowledge, one.reported.fact.id
    if any(known.sequence == one.place for known in knowledge.in_force):
        return CalibrationState(True)
    for revocation in knowledge.current(Revocation):
        if revocation.of == id:
            return CalibrationState(False, revocation.id, revocation.why)
    later = [e.reported.fact.id for e in reported.entered if e.reported.fact.supersedes == id]
    return CalibrationState(False, later[-1] if later else "")


def _bears_on(fact: Fact, reported: EnteredFacts, channel: str) -> bool:
    fed = [d for d in reported.knowledge.deployments if d.channel == channel]
    if isinstance(fact, FactoryCurve):
        return any(
            (reported.sources.models.get(d.source), d.output, d.factory) == fact.key for d in fed
        )
    if isinstance(fact, OfSubject) and fact.channel is None:
        return any((d.sensor, d.output) == (fact.sensor, fact.output) for d in fed)
    return isinstance(fact, OfSubject) and fact.channel == channel


def sheet_says(pinned: FactoryCurve, sheets: Sheets) -> str:
    """What to do where the model sheet says otherwise than when it was first used, "" if not."""
    outputs = sheets[pinned.model].outputs if pinned.model in sheets else {}
    output = outputs.get(pinned.output)
    named = [f for f in output.factory if f.name == pinned.name] if output else []
    now = [pin_of(pinned.model, pinned.output, factory) for factory in named]
    if not now:
        return "its model sheet has this curve no more; values stay as they are"
    same = ("curve", "parameters", "quantity", "unit")
    if all(getattr(now[0], name) == getattr(pinned, name) for name in same):
        return ""
    return (
        f"the model sheet of edaphon {__version__} says otherwise now; values stay as they are."
        f" To take the sheet's curve, apply the row that `edaphon cal show {pinned.id}` prints"
    )


_Row = Mapping[str, Any]
MADE_BY = {
    "operator": "by",
    "method": "method",
    "reference": "against",
    "certificate": "certificate",
    "expires": "expires",
    "drift_per_year": "drift a year",
    "drifts_from": "drifts from",
}


def lines_of(reported: _Row) -> Iterator[str]:
    fact = reported["fact"]
    step = f", step {fact.get('step', 1)}" if reported["kind"] == "calibration" else ""
    kind = {"factory": "maker's curve"}.get(reported["kind"], reported["kind"])
    yield f"{kind} {reported['id']}: {reported['subject']}{step}"
    yield f"state         {reported['state']}"
    if reported["kind"] != "factory":
        yield f"valid         {_span(fact)}"
    yield from _in_force(reported)
    who = person(reported["who"], reported["account"])
    yield f"entered       by {who} at {reported['known_since']} (journal {reported['place']})"
    yield f"              from {reported['file']}{_hash(reported['sha256'])}"
    if reported["supersedes"]:
        yield f"supersedes    {reported['supersedes']}"
    if reported["superseded_by"]:
        yield f"superseded by {', '.join(reported['superseded_by'])}"
    yield from _curve_lines(reported["curve"]) if reported["curve"] else _compared(fact)
    if second := fact.get("second"):
        yield f"second input  {', '.join(f'{key} {value}' for key, value in second.items())}"
    for key, words in MADE_BY.items():
        if fact.get(key):
            yield f"{words:<13} {fact[key]}"
    for file in reported["evidence"]:
        kept = "the journal has it" if file["journal"] else "not in the journal"
        yield f"evidence      {file['name']}: {file['file']}; {kept}; sha256 {file['sha256']}"
    if reported["sheet"]:
        yield f"model sheet   {reported['sheet']['says']}"
        yield indent(reported["sheet"]["row"].rstrip(), "    ")
    if reported["text"]:
        yield "as entered"
        yield indent(reported["text"].rstrip(), "    ")


def _hash(sha256: str) -> str:
    return f", sha256 {sha256}" if sha256 else ""


def _span(reported: _Row) -> str:
    begin = f"from {reported['from']}" if reported.get("from") else "from the beginning"
    return f"{begin} to {reported['to']}" if reported.get("to") else f"{begin} on"


def _in_force(reported: _Row) -> Iterator[str]:
    places = [f"{place['channel']} {_span(place)}" for place in reported["in_force_at"]]
    for n, place in enumerate(places or ["for no channel"]):
        yield f"{'' if n else 'in force':<13} {place}"


def _compared(fact: _Row) -> Iterator[str]:
    unit = fact.get("unit", "")
    yield (
        f"{fact['state']:<13} reading {fact['reading']:g}, reference {fact['reference_value']:g}"
        f" (u {fact['u_reference']:g}) {unit}: {fact['reading'] - fact['reference_value']:+.3g}"
    )


def _curve_lines(curve: _Row) -> Iterator[str]:
    yield f"curve         {curve['name']}: {curve['about']}"
    yield f"reference     {curve['reference']}"
    if curve.get("package"):
        yield f"package       {curve['package']}"
    for n, parameter in enumerate(curve["parameters"]):
        yield f"{'' if n else 'parameters':<13} {_parameter(parameter)}"
    names = [parameter["name"] for parameter in curve["parameters"]]
    rows = curve.get("correlation") or []
    reported = [
        f"{names[a]}, {names[b]}: {rows[a][b]:+.3f}" for a in range(len(rows)) for b in range(a)
    ]
    if reported:
        yield f"correlation   {'; '.join(reported)}"
    low, high = curve.get("domain") or (None, None)
    if low is not None or high is not None:
        unit = f" {curve['from_unit']}" if curve["from_unit"] else ""
        yield f"domain        {_end(low)} to {_end(high)}{unit}"


def _parameter(reported: _Row) -> str:
    u = "" if reported["u"] is None else f"   u {reported['u']:.3g}"
    own = "" if reported["given"] else "   (the curve's own)"
    return f"{reported['name']} = {reported['value']:.10g}{u}{own}"


def _end(number: float | None) -> str:
    return "any" if number is None else f"{number:g}"


def show(
    id: Annotated[str, typer.Argument(help="id of a calibration, check or maker's curve")],
    evidence: Annotated[
        Path | None, typer.Option(help="folder to write the evidence files to")
    ] = None,
    file: Config = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Show one calibration, field check or maker's curve with all details."""
    storage = open_folder(file, folder)
    reported = facts_entered(storage)
    one = found_in(reported, id)
    fact: Any = one.reported.fact
    if evidence is not None:
        _write_evidence(storage, fact, evidence)
    table = {
        "id": id,
        "kind": fact.table,
        "subject": " ".join(fact.key if isinstance(fact, FactoryCurve) else fact.subject),
        "state": state_of(reported, one).words,
        **_entry(reported, one),
        "fact": table_of(fact),
        "curve": {} if isinstance(fact, FieldCheck) else _curve(fact),
        "in_force_at": list(_places(reported, fact)),
        "evidence": list(_evidence(storage, one)),
        "sheet": _sheet(storage, fact) if isinstance(fact, FactoryCurve) else {},
    }
    show_found(json, table, lines_of(table))


def found_in(reported: EnteredFacts, id: str) -> Entered:
    """The one of that id; ends with words where there is none."""
    found = reported.by_id.get(id, ())
    if not found:
        known = [
            i for i, ones in reported.by_id.items() if isinstance(ones[0].reported.fact, KINDS)
        ]
        near = suggestion(id, known) if known else ", and none was ever entered"
        raise fail(f"expected the id of a calibration, check or maker's curve, got {id!r}{near}")
    fact = found[-1].reported.fact
    if not isinstance(fact, KINDS):
        words = "calibrations, checks and makers' curves are shown here"
        raise fail(f"{id} is a {fact.table}; {words}, see `edaphon cal list --all`")
    return found[-1]


def _entry(reported: EnteredFacts, one: Entered) -> dict[str, Any]:
    fact = one.reported.fact
    later = [e.reported.fact.id for e in reported.entered if e.reported.fact.supersedes == fact.id]
    return {
        "who": one.reported.who,
        "account": one.reported.account,
        "known_since": one.known_since,
        "place": str(one.place),
        "file": one.reported.file,
        "sha256": one.reported.sha256,
        "text": one.reported.text,
        "supersedes": fact.supersedes,
        "superseded_by": later,
    }


def _curve(fact: Calibration | FactoryCurve) -> dict[str, Any]:
    """The curve with its parameters, and what is known of these."""
    if fact.curve not in curve_names():
        return {"name": fact.curve, "about": "", "reference": "", "parameters": []}
    known = find_curve(fact.curve)
    covariance = fact.covariance or None if isinstance(fact, Calibration) else None
    step = prepare_step(find_curve(fact.curve), fact.parameters, covariance)
    spread = None if step.covariance is None else np.sqrt(np.diag(step.covariance))
    names = known.spelled(fact.parameters)
    domain = (fact.domain if isinstance(fact, Calibration) else None) or known.domain
    package = known_curves().packages.get(fact.curve)
    return {
        "name": fact.curve,
        **({"package": package} if package else {}),
        "about": known.title,
        "reference": known.reference,
        "parameters": [
            {
                "name": name,
                "value": float(step.parameters[at]),
                "u": None if spread is None else float(spread[at]),
                "given": name in fact.parameters,
            }
            for at, name in enumerate(names)
        ],
        "correlation": None if step.covariance is None else _correlation(step.covariance).tolist(),
        "domain": [float(x) if np.isfinite(x) else None for x in domain],
        "from_unit": getattr(fact, "from_unit", None) or known.from_unit,
        "to_unit": getattr(fact, "to_unit", None) or known.to_unit,
    }


def _correlation(covariance: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
    """0 for a parameter that is held."""
    spread = np.sqrt(np.diag(covariance))
    spread[spread == 0.0] = np.inf
    return covariance / spread / spread[:, None]


def _places(reported: EnteredFacts, fact: Fact) -> Iterator[dict[str, Any]]:
    """The channels that it is in force for, from when to when; neighbours as one."""
    found: dict[str, list[tuple[int, int]]] = {}
    for segment in sorted(reported.plan.segments(), key=lambda s: s.start_ns):
        if _rests_on(reported, segment, fact):
            own = found.setdefault(segment.channel, [])
            if own and own[-1][1] == segment.start_ns:
                own[-1] = (own[-1][0], segment.end_ns)
            else:
                own.append((segment.start_ns, segment.end_ns))
    for channel, ranges in sorted(found.items()):
        for start, end in ranges:
            yield {
                "channel": channel,
                "from": None if start <= ALWAYS[0] else instant_text(start),
                "to": None if end >= ALWAYS[1] else instant_text(end),
            }


def _rests_on(reported: EnteredFacts, segment: "Segment", fact: Fact) -> bool:
    basis = orjson.loads(reported.plan.texts[segment.derivation])
    if isinstance(fact, FactoryCurve):
        same = (reported.sources.models.get(basis["source"]), basis["output"][0]) == fact.key[:2]
        return same and basis["factory"][:1] == [fact.name] and segment.chain.known
    if isinstance(fact, FieldCheck):
        return any(row[0] == fact.id for row in basis.get("field checks", ()))
    rows: list[Mapping[str, Any]] = [*basis["calibrations"], *basis.get("pairs", ())]
    return segment.chain.known and any(row.get("id") == fact.id for row in rows)


def _evidence(storage: Storage, one: Entered) -> Iterator[dict[str, Any]]:
    """Each file with its state next to the row's file now, and whether the journal has it."""
    from edaphon.service.submit import kept_evidence  # it imports the drivers

    fact = one.reported.fact
    named = (fact.evidence or {}) if isinstance(fact, Calibration | FieldCheck) else {}
    journal = read_only(storage.layout.journal) if named else None
    for name, sha256 in named.items():
        path = Path(one.reported.file).parent / name
        kept = journal is not None and kept_evidence(journal, sha256) is not None
        yield {"name": name, "sha256": sha256, "file": _state(path, sha256), "journal": kept}


def _write_evidence(storage: Storage, fact: Fact, folder: Path) -> None:
    """From the journal, as they were when the fact was entered; none that is there is replaced."""
    from edaphon.service.submit import kept_evidence  # it imports the drivers

    journal = read_only(storage.layout.journal)
    named = (fact.evidence or {}) if isinstance(fact, Calibration | FieldCheck) else {}
    if not named:
        raise fail(f"expected a fact that rests on files, got {fact.id}, which names none")
    for name, sha256 in named.items():
        kept, path = kept_evidence(journal, sha256), folder / Path(name).name
        if kept is None:
            raise fail(f"expected {name} (SHA-256 {sha256}) in the journal, which has it not")
        if os.path.lexists(path):
            raise fail(f"expected a folder without {path.name}, got {path}: choose another one")
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:  # never through a link that is there
            file.write(kept.data)


def _state(path: Path, sha256: str) -> str:
    try:
        same = hashlib.sha256(read_bytes(path)).hexdigest() == sha256
    except OSError as error:
        return f"not there ({path}: {error.strerror})"
    return f"as it was ({path})" if same else f"another one lies there now ({path})"


def _sheet(storage: Storage, fact: FactoryCurve) -> dict[str, str]:
    """What the model sheet says otherwise, and the row that takes it over; nothing if the same."""
    says = sheet_says(fact, storage.config.sheets)
    if not says:
        return {}
    output = storage.config.sheets[fact.model].outputs.get(fact.output)
    now = next((f for f in output.factory if f.name == fact.name), None) if output else None
    if now is None:
        return {"says": says, "row": ""}
    new = table_of(pin_of(fact.model, fact.output, now)) | {"supersedes": fact.id}
    new["id"] = f"{fact.id[:50]}-new"
    del new["kind"]
    return {"says": says, "row": toml_row("factory", new)}
