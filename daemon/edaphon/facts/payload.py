"""Facts as the payload of an entry: canonical JSON, exactly the same bytes for the same fact."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from edaphon.facts.model import KINDS, Calibration, Fact, FactoryCurve
from edaphon.people import person
from edaphon_calibration.curves import curve_names, find_curve

__all__ = ["FactPayload", "fact_of", "from_payload", "table_of", "to_payload"]


class FactPayload(NamedTuple):
    """A fact with the TOML text it was written in, the SHA-256 of its file, and who applied it.

    `who` is the name that was given, `account` that of the system; entries of before have none.
    """

    fact: Fact
    text: str
    sha256: str
    file: str
    who: str
    account: str = ""

    @property
    def person(self) -> str:
        return person(self.who, self.account)


def table_of(fact: Fact) -> dict[str, Any]:
    """The fact as a JSON object with `kind` and every key that has a value, defaults included."""
    return {"kind": fact.table, **fact.model_dump(mode="json", by_alias=True, exclude_none=True)}


def fact_of(table: Mapping[str, Any]) -> Fact:
    """The inverse of `table_of`; raises KeyError or ValueError for what is no fact."""
    row = dict(table)
    kind = KINDS[row.pop("kind")]
    if kind in {Calibration, FactoryCurve}:
        row["parameters"] = _in_order(row["curve"], row["parameters"])
    return kind.model_validate(row)


def _in_order(curve_name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """In the curve's order, which a covariance follows; JSON has sorted them by name."""
    places = find_curve(curve_name).places if curve_name in curve_names() else {}
    in_order = sorted(parameters, key=lambda name: places.get(name, len(places)))
    return {name: parameters[name] for name in in_order}


def to_payload(fact: Fact, text: str, sha256: str, file: str, who: str, account: str = "") -> bytes:
    whole = {"fact": table_of(fact), "text": text, "sha256": sha256, "file": file, "who": who}
    whole |= {"account": account} if account else {}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def from_payload(payload: bytes) -> FactPayload:
    """Raises KeyError or ValueError for bytes that no `to_payload` wrote."""
    whole = orjson.loads(payload)
    if not isinstance(whole, dict) or not isinstance(whole.get("fact"), dict):
        raise ValueError("expected a JSON object with a fact in it")
    return FactPayload(
        fact_of(whole["fact"]),
        whole["text"],
        whole["sha256"],
        whole["file"],
        whole["who"],
        whole.get("account", ""),
    )
