"""`edaphon cal add`: a calibration or a check from a certificate, written into the inbox."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from edaphon.commands.cal.evidence import Paper, papers_beside, put
from edaphon.commands.cal.options import as_options, calibration_row, check_row
from edaphon.commands.cal.text import as_row
from edaphon.commands.check import usual_file
from edaphon.commands.new_files import write_new
from edaphon.facts import Knowledge, knowledge_conflicts, new_rows, read_facts
from edaphon.printer import show_json, show_lines
from edaphon.storage.access import Configured, Storage, configured, fail
from edaphon.storage.entered_facts import told_in
from edaphon.storage.paths import Layout
from edaphon.toml_input import ConfigError, read_document
from edaphon_calibration.curves import find_curve

__all__ = ["add"]

USAGE = 2
EACH = "as NAME=VALUE, as often as needed"


def add(
    channel: Annotated[str, typer.Option(help="the channel it is for (soil or site step)")] = "",
    sensor: Annotated[str, typer.Option(help="or the serial number it is for")] = "",
    output: Annotated[str, typer.Option(help="with --sensor: the output it is for")] = "",
    curve: Annotated[str, typer.Option(help="name of a curve, such as linear")] = "",
    parameter: Annotated[list[str] | None, typer.Option(help=f"number of the curve {EACH}")] = None,
    u: Annotated[
        list[str] | None, typer.Option("--u", help=f"standard uncertainty of a parameter {EACH}")
    ] = None,
    covariance: Annotated[str, typer.Option(help="or all, as [[1e-6, 0], [0, 4e-6]]")] = "",
    since: Annotated[str, typer.Option("--from", help="true from this time on")] = "",
    to: Annotated[str, typer.Option(help="true until just before this time")] = "",
    step: Annotated[int | None, typer.Option(help="place among the steps: 1 to 3")] = None,
    second_output: Annotated[str, typer.Option(help="second input: output of the record")] = "",
    second_channel: Annotated[str, typer.Option(help="second input: another channel")] = "",
    max_age: Annotated[str, typer.Option(help="how old that value may be, as 30min")] = "",
    from_unit: Annotated[str, typer.Option(help="unit that goes in")] = "",
    to_unit: Annotated[str, typer.Option(help="unit that comes out")] = "",
    domain: Annotated[str, typer.Option(help="LOW,HIGH: where it holds, in --from-unit")] = "",
    drifts_from: Annotated[str, typer.Option(help="id of the one made before deployment")] = "",
    expires: Annotated[str, typer.Option(help="later values are suspect")] = "",
    drift_per_year: Annotated[float | None, typer.Option(help="uncertainty, in --to-unit")] = None,
    check: Annotated[bool, typer.Option("--check", help="a check in the field instead")] = False,
    state: Annotated[str, typer.Option(help='of a check: "as found" or "as left"')] = "",
    reading: Annotated[float | None, typer.Option(help="of a check: the channel's mean")] = None,
    reference_value: Annotated[float | None, typer.Option(help="the reference's mean")] = None,
    u_reference: Annotated[float | None, typer.Option(help="its standard uncertainty")] = None,
    unit: Annotated[str, typer.Option(help="of these three, if not the channel's")] = "",
    id: Annotated[str, typer.Option("--id", help="name; made of the above if not given")] = "",
    supersedes: Annotated[str, typer.Option(help="id of the one it puts right")] = "",
    operator: Annotated[str, typer.Option(help="who made it")] = "",
    method: Annotated[str, typer.Option(help="how")] = "",
    reference: Annotated[str, typer.Option("--reference-standard", help="against what")] = "",
    certificate: Annotated[str, typer.Option(help="number of the certificate")] = "",
    evidence: Annotated[list[Path] | None, typer.Option(help="file it rests on")] = None,
    write: Annotated[Path | None, typer.Option("-o", "--write", help="file; none: inbox")] = None,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Write a calibration, or with --check a check in the field, as a file; see what comes next.

    Nothing is in force by it, until it is applied, or the daemon starts and takes the inbox over.
    """
    _add(dict(locals()), evidence or [], write, file, json)


def _add(
    stated: Mapping[str, Any],
    evidence: list[Path],
    write: Path | None,
    file: Path | None,
    json: bool,
) -> None:
    """`said` are the options by their names."""
    place, kind = _place(file, write), "check" if stated["check"] else "calibration"
    row = check_row(stated) if stated["check"] else calibration_row(stated)
    target = write or _inbox(place) / f"{row['id']}.toml"
    if os.path.lexists(target):
        raise fail(f"{target} is there already; choose another --id, or another file with -o")
    certificates = papers_beside(evidence, target)
    if certificates:
        row["evidence"] = {paper.name: paper.sha256 for paper in certificates}
    text = as_row(kind, row)
    config_errors = _complaints(text, str(target), place)
    if config_errors:
        raise fail("\n".join(as_options(config_error) for config_error in config_errors), USAGE)
    written = _written(target, text, certificates)
    table = {kind: row, "written": [str(path) for path in written]}
    if json:
        show_json(table)
    else:
        show_lines(_next(target, place, _counts_as_exact(row)))


class _Place(NamedTuple):
    """The configuration with what is known by its journal; its inbox, if it has one."""

    own: Configured | None
    knowledge: Knowledge
    inbox: Path | None


def _place(file: Path | None, write: Path | None) -> _Place:
    """Without a configuration where none is there and the file is said."""
    if file is None and write is not None and not usual_file().exists():
        return _Place(None, Knowledge(), None)
    own = configured(file or usual_file())
    storage = Storage(own.config, Layout(own.config.storage.folder))
    inbox = own.config.facts.inbox if own.config.facts else None
    return _Place(own, told_in(storage).knowledge, inbox)


def _inbox(place: _Place) -> Path:
    if place.inbox is None:
        raise fail("expected -o FILE, or [facts] with inbox in the configuration", USAGE)
    return place.inbox


def _complaints(text: str, file: str, place: _Place) -> list[ConfigError]:
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


def _written(target: Path, text: str, certificates: list[Paper]) -> list[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    copied = put(certificates)
    write_new(target, text)
    return [*copied, target]


def _counts_as_exact(row: Mapping[str, Any]) -> bool:
    """Whether no uncertainty of the curve or its parameters goes into values."""
    name = row.get("curve")
    return bool(name) and not row.get("covariance") and not find_curve(str(name)).uncertainty


def _next(target: Path, place: _Place, exact: bool) -> Iterator[str]:
    yield f"{target} is written; nothing is in force by it yet"
    yield f"  edaphon cal preview {target}    tells what it would change"
    yield f"  edaphon cal apply {target}      puts it in force"
    if place.inbox is not None and target.parent.resolve() == place.inbox.resolve():
        yield "It lies in the inbox, which the daemon takes over at its next start."
    if exact:
        yield "No uncertainty is stated, so it counts as exact; --u or --covariance says it."
