"""Rows of facts as TOML text; a fit as a `[[calibration]]`, with what it rests on."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from edaphon.facts import Knowledge, knowledge_conflicts, read_facts
from edaphon.toml_input import ConfigError, read_document
from edaphon_calibration.curves import find_curve
from edaphon_calibration.fit import FitResult

__all__ = ["Fitted", "as_row", "as_table", "as_toml", "config_errors"]

_SUBJECT = ("id", "supersedes", "channel", "sensor", "output")
_MADE = ("from", "operator", "reference")
_OF_FEW = ("two_point", "zero_span", "offset")  # they span nothing beyond which they would not hold
_BARE = re.compile("[A-Za-z0-9_-]+")


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
    """The calibration as keys and values; `said` are the texts that people gave, "" left out.

    Parameters and covariance stand in the curve's order, which a calibration asks for.
    """
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
    words.append(f"Keep {_line(fitted.file)} beside this file: it goes into the journal with it.")
    return as_row("calibration", table, words)


def as_row(kind: str, table: Mapping[str, Any], words: Iterable[str] = ()) -> str:
    """One row of a fact table as text, below comments."""
    lines = [*(f"# {word[0].upper()}{word[1:]}" for word in words), f"[[{kind}]]"]
    lines += [f"{key} = {_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def config_errors(text: str) -> list[ConfigError]:
    """What check would say of the text by itself."""
    rows, wrong = read_facts(read_document("calibration.toml", text))
    return [*wrong, *knowledge_conflicts(rows, Knowledge())]


def _line(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(name)} = {_value(inside)}" for name, inside in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value) if isinstance(value, int) else repr(float(value))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)
