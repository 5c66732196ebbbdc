"""`edaphon cal show`: all that is known of one calibration, check or maker's curve."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer

from edaphon.commands.cal.list import KINDS, sheet_says, state_of
from edaphon.commands.cal.show_text import lines_of
from edaphon.commands.cal.text import as_row
from edaphon.derive import ALWAYS
from edaphon.derive.segments import Segment
from edaphon.facts import Calibration, Fact, FactoryCurve, FieldCheck, pin_of, table_of
from edaphon.journal import read_only
from edaphon.printer import show_json, show_lines
from edaphon.service.submit import kept_evidence
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.entered_facts import Entered, EnteredFacts, told_in
from edaphon.toml_input.reading import read_bytes
from edaphon.toml_input.values import instant_text
from edaphon_calibration.chain import prepare_step
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.errors import suggestion

__all__ = ["found_in", "show"]


def show(
    id: Annotated[str, typer.Argument(help="id of a calibration, check or maker's curve")],
    evidence: Annotated[
        Path | None, typer.Option(help="folder to write the files to that it rests on")
    ] = None,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Tell all of one: text, who and when, parameters, where it is in force, what it rests on."""
    storage = open_storage(file)
    reported = told_in(storage)
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
    if json:
        show_json(table)
    else:
        show_lines(lines_of(table))


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
        words = "calibrations, checks and makers' curves are told here"
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
    return {
        "name": fact.curve,
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
    """0 beside a parameter that is held."""
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


def _rests_on(reported: EnteredFacts, segment: Segment, fact: Fact) -> bool:
    basis = orjson.loads(reported.plan.texts[segment.derivation])
    if isinstance(fact, FactoryCurve):
        same = (reported.sources.models.get(basis["source"]), basis["output"][0]) == fact.key[:2]
        return same and basis["factory"][:1] == [fact.name] and segment.chain.known
    if isinstance(fact, FieldCheck):
        return any(row[0] == fact.id for row in basis.get("field checks", ()))
    rows: list[Mapping[str, Any]] = [*basis["calibrations"], *basis.get("pairs", ())]
    return segment.chain.known and any(row.get("id") == fact.id for row in rows)


def _evidence(storage: Storage, one: Entered) -> Iterator[dict[str, Any]]:
    """Each file with what lies beside the row's file now, and whether the journal has it."""
    fact = one.reported.fact
    named = (fact.evidence or {}) if isinstance(fact, Calibration | FieldCheck) else {}
    journal = read_only(storage.layout.journal) if named else None
    for name, sha256 in named.items():
        path = Path(one.reported.file).parent / name
        kept = journal is not None and kept_evidence(journal, sha256) is not None
        yield {"name": name, "sha256": sha256, "file": _state(path, sha256), "journal": kept}


def _write_evidence(storage: Storage, fact: Fact, folder: Path) -> None:
    """From the journal, as they were when the fact was entered; none that is there is replaced."""
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
        with path.open("xb") as file:  # never through a link that stands there
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
    return {"says": says, "row": as_row("factory", new)}
