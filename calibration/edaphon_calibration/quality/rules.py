"""Rule sets: which tests judge a channel, with which parameters; the usual ones: `rules.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from edaphon_calibration.errors import CalibrationError, suggestion
from edaphon_calibration.nomenclature import QUANTITIES

Parameter = float | tuple[float, ...]
Parameters = Mapping[str, Parameter]
_OF_THE_ROW = {"test", "quantities", "from_depth_cm", "source"}
PARAMETERS: Mapping[str, frozenset[str]] = {
    test: frozenset(names.split())
    for test, names in {
        "sentinel": "codes lone_codes apart",
        "range": "lowest highest suspect_lowest suspect_highest by_horizon",
        "spike_single": "suspect fail",
        "rate": "rise_per_hour fall_per_hour least_change rise_with_water fall_when_wet",
        "spike_mad": "least least_share k half need not_with_water",
        "saturated": "",
        "flat": "window_hours window_hours_if_others_move zero_curtain",
        "noise": "limit limit_share window need",
        "frozen": "",
        "no_response": "",
        "rise_without_water": "rise",
        "rail": "least",
        "offset": "least",
        "replicate": "least",
        "amplitude": "factor plus",
        "drift": "limit_per_day",
        "temperature_sensitivity": "",
        "diagnostics": "least_r2",
    }.items()
}


class RulesError(CalibrationError):
    """What is wrong in a file of rules; the text says what is expected."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The parameters of a test for some quantities [their canonical units], from a depth down."""

    test: str
    quantities: tuple[str, ...]
    parameters: Parameters
    source: str
    from_depth_cm: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules with their version; those of `over` stand in place of others of the same test."""

    version: str
    rules: tuple[Rule, ...] = field(repr=False)
    over: "RuleSet | None" = None

    def of(self, quantity: str, depth_cm: float | None) -> dict[str, Rule]:
        """The rule of each test for a channel; without a depth those of the surface."""
        found: dict[str, Rule] = {}
        depth = 0.0 if depth_cm is None else depth_cm
        for rule in sorted(self.rules, key=lambda rule: rule.from_depth_cm):
            if quantity in rule.quantities and rule.from_depth_cm <= depth:
                found[rule.test] = rule
        return found if self.over is None else found | self.over.of(quantity, depth_cm)

    @property
    def name(self) -> str:
        """The versions of all rules in it."""
        return self.version if self.over is None else f"{self.version} with {self.over.name}"


@cache
def usual_rules() -> RuleSet:
    """Those of this package, where a person states nothing else."""
    text = (files("edaphon_calibration.quality") / "rules.toml").read_text("utf-8")
    return rules_of(text)


def usual_rules_with(text: str) -> RuleSet:
    """The usual rules with those of a person's file over them; raises RulesError."""
    usual = usual_rules()
    return RuleSet(usual.version, usual.rules, rules_of(text))


def rules_of(text: str) -> RuleSet:
    """The rules of a text in the form of `rules.toml`; raises RulesError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"expected TOML as in the rules of edaphon: {error}") from None
    if not isinstance(table.get("version"), str) or set(table) - {"version", "rule"}:
        raise RulesError('expected `version = "..."` and tables [[rule]], and nothing else')
    rows = table.get("rule", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RulesError("expected each rule as a table [[rule]]")
    return RuleSet(table["version"], tuple(_rule(n, row) for n, row in enumerate(rows, 1)))


def _rule(n: int, row: Mapping[str, Any]) -> Rule:
    test, quantities = str(row.get("test")), row.get("quantities")
    if test not in PARAMETERS:
        near = suggestion(test, PARAMETERS)
        raise RulesError(f"rule {n}: expected the name of a test, came {test!r}{near}")
    if not isinstance(quantities, list) or not quantities:
        raise RulesError(f'rule {n} ({test}): expected quantities = ["..."]')
    for quantity in quantities:
        if quantity not in QUANTITIES:
            near = suggestion(str(quantity), QUANTITIES)
            raise RulesError(f"rule {n} ({test}): {quantity!r} is no quantity{near}")
    own = {}
    for name, value in row.items():
        if name in _OF_THE_ROW:
            continue
        if name not in PARAMETERS[test]:
            known = ", ".join(sorted(PARAMETERS[test])) or "none"
            raise RulesError(f"rule {n} ({test}): {name} is no parameter (known: {known})")
        own[name] = _parameter(f"rule {n} ({test}): {name}", value)
    depth = _parameter(f"rule {n} ({test}): from_depth_cm", row.get("from_depth_cm", 0.0))
    if isinstance(depth, tuple):
        raise RulesError(f"rule {n} ({test}): expected from_depth_cm as a number")
    return Rule(test, tuple(quantities), own, str(row.get("source", "")), depth)


def _parameter(place: str, value: Any) -> Parameter:
    if isinstance(value, list) and all(_is_number(one) for one in value):
        return tuple(map(float, value))
    if not _is_number(value):
        raise RulesError(f"{place}: expected a number, came {value!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
