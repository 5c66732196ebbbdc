"""Rule sets: which tests judge a channel and with which parameters; the usual ones are `rules.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

Parameter = float | str | tuple[float, ...]
Parameters = Mapping[str, Parameter]
_OF_THE_ROW = {"test", "quantities", "from_depth_cm", "source"}


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
    """The rules in force: a version and rows; a derivation names both."""

    version: str
    rules: tuple[Rule, ...] = field(repr=False)

    def of(self, quantity: str, depth_cm: float | None) -> dict[str, Rule]:
        """The rule of each test for a channel; without a depth those of the surface."""
        found: dict[str, Rule] = {}
        depth = 0.0 if depth_cm is None else depth_cm
        for rule in sorted(self.rules, key=lambda rule: rule.from_depth_cm):
            if quantity in rule.quantities and rule.from_depth_cm <= depth:
                found[rule.test] = rule
        return found


@cache
def usual_rules() -> RuleSet:
    """Those of this package, for which a person has said nothing else."""
    return rule_set(
        tomllib.loads((files("edaphon_calibration.quality") / "rules.toml").read_text("utf-8"))
    )


def rule_set(table: Mapping[str, object]) -> RuleSet:
    """The rules of a parsed document of the form of `rules.toml`; the caller has checked it."""
    rows = table.get("rule", [])
    assert isinstance(rows, list)
    return RuleSet(str(table["version"]), tuple(_rule(row) for row in rows))


def _rule(row: Mapping[str, object]) -> Rule:
    own = {name: _plain(value) for name, value in row.items() if name not in _OF_THE_ROW}
    names, depth = row["quantities"], row.get("from_depth_cm", 0.0)
    assert isinstance(names, list) and isinstance(depth, int | float)
    return Rule(str(row["test"]), tuple(names), own, str(row["source"]), float(depth))


def _plain(value: object) -> Parameter:
    if isinstance(value, list):
        return tuple(float(each) for each in value)
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]
