"""`edaphon cal list`: calibrations, checks and makers' curves, in force or not any more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from edaphon import __version__
from edaphon.clock import FAR_NS
from edaphon.commands.query import instant
from edaphon.commands.table import show_rows
from edaphon.facts import Calibration, Fact, FactoryCurve, FieldCheck, Revocation, pin_of
from edaphon.facts.calibrations import OfSubject
from edaphon.people import person
from edaphon.printer import show_error, show_json
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.entered_facts import Entered, EnteredFacts, told_in
from edaphon.toml_input.values import instant_text
from edaphon_calibration.errors import suggestion
from edaphon_drivers.sheets import Sheets

__all__ = ["KINDS", "State", "listed", "sheet_says", "state_of"]

KINDS = (Calibration, FieldCheck, FactoryCurve)
HEADER = ("id", "kind", "subject", "step", "curve", "from", "to", "known_since", "who", "state")


class State(NamedTuple):
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
    channel: Annotated[str, typer.Option(help="only what bears on this channel")] = "",
    all: Annotated[bool, typer.Option("--all", help="superseded and revoked ones too")] = False,
    as_known_at: Annotated[str, typer.Option(help="as it was known at this time")] = "",
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List the calibrations, checks in the field and pinned makers' curves that are in force."""
    storage = open_storage(file)
    reported = told_in(storage)
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
        } | {
            "by": state.by,
            "sheet": sheet,
        }


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


def state_of(reported: EnteredFacts, one: Entered) -> State:
    """Of one entered fact, as everything entered says it."""
    knowledge, id = reported.knowledge, one.reported.fact.id
    if any(known.sequence == one.place for known in knowledge.in_force):
        return State(True)
    for revocation in knowledge.current(Revocation):
        if revocation.of == id:
            return State(False, revocation.id, revocation.why)
    later = [e.reported.fact.id for e in reported.entered if e.reported.fact.supersedes == id]
    return State(False, later[-1] if later else "")


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
