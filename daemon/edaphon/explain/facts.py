"""What facts say of themselves, for a person: who entered them when, papers, and times."""

from typing import Any

from edaphon.explain.trace import History
from edaphon.facts import Calibration, Fact, FieldCheck, Period, from_payload
from edaphon.toml_input.values import instant_text

__all__ = ["fact_entry", "number", "papers_of", "period_of", "subject_of"]


def number(x: float) -> float | None:
    """None for NaN, which JSON has not."""
    return x if x == x else None


def fact_entry(history: History, fact: Fact) -> dict[str, Any] | None:
    """Who entered a fact, when it became known, and the file that it came from."""
    known = next((k for k in history.knowledge.entered if k.fact is fact), None)
    entry = dict(history.meanings).get(known.sequence) if known else None
    if known is None or entry is None:
        return None
    reported = from_payload(entry.payload)
    return {
        "who": reported.who,
        "account": reported.account,
        "known_since": instant_text(entry.received_ns),
        "file": reported.file,
        "sha256": reported.sha256,
        "place": str(known.sequence),
    }


def papers_of(history: History, fact: Calibration | FieldCheck) -> dict[str, Any]:
    """What it rests on; `evidence` are files with their SHA-256."""
    return {
        "certificate": fact.certificate,
        "standard": fact.reference,
        "operator": fact.operator,
        "method": fact.method,
        "evidence": dict(fact.evidence or {}),
        "entered": fact_entry(history, fact),
    }


def period_of(period: Period) -> dict[str, str | None]:
    bounds = {"from": period.from_ns, "to": period.to_ns}
    return {key: None if ns is None else instant_text(ns) for key, ns in bounds.items()}


def subject_of(fact: Calibration | FieldCheck) -> str:
    if fact.channel is not None:
        return f"channel {fact.channel}"
    return f"sensor {fact.sensor}, output {fact.output}"
