"""The schema that editors read says the same as the models: a small validator of its keywords."""

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from edaphon.facts.files import KINDS
from edaphon.toml_input.lines import FACT_TABLES

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "docs" / "schema"
FACTS = json.loads((SCHEMA / "facts.schema.json").read_text("utf-8"))
CALIBRATION = json.loads((SCHEMA / "calibration.schema.json").read_text("utf-8"))
FILES = sorted(
    [
        *(Path(__file__).parent / "golden").glob("*.toml"),
        *(ROOT / "deploy" / "examples").rglob("facts/*.toml"),
        *(ROOT / "tests" / "daemon" / "config" / "wrong").glob("*.known.toml"),
    ]
)
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
KEYWORDS = {
    *("$schema", "$defs", "$ref", "title", "description", "examples", "default", "type", "enum"),
    *("properties", "required", "additionalProperties", "propertyNames", "items", "prefixItems"),
    *("minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum"),
    *("exclusiveMinimum", "anyOf", "not"),
}


def wrong(value: Any, schema: Any, whole: dict[str, Any]) -> list[str]:
    """The keywords of the schema that the value breaks."""
    if isinstance(schema, bool):
        return [] if schema else ["false"]
    return [keyword for keyword in schema if not holds(keyword, value, schema, whole)]


def holds(keyword: str, value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    given = schema[keyword]

    def right(part: Any, inner: Any) -> bool:
        return not wrong(part, inner, whole)

    match keyword:
        case "$ref":
            return right(value, whole["$defs"][given.removeprefix("#/$defs/")])
        case "type":
            return any(
                is_of(value, name) for name in ([given] if isinstance(given, str) else given)
            )
        case "enum":
            return value in given
        case "anyOf":
            return any(right(value, one) for one in given)
        case "not":
            return not right(value, given)
    if isinstance(value, str):
        return holds_of_text(keyword, value, given)
    if isinstance(value, dict):
        names = schema.get("properties", {})
        match keyword:
            case "properties":
                return all(right(value[name], one) for name, one in given.items() if name in value)
            case "required":
                return set(given) <= set(value)
            case "additionalProperties":
                return all(right(part, given) for name, part in value.items() if name not in names)
            case "propertyNames":
                return all(right(name, given) for name in value)
    if isinstance(value, list):
        match keyword:
            case "items":
                return all(right(part, given) for part in value)
            case "prefixItems":
                return all(right(part, one) for part, one in zip(value, given, strict=False))
            case "minItems" | "maxItems":
                return len(value) >= given if keyword == "minItems" else len(value) <= given
    if isinstance(value, int | float):
        limits = {
            "minimum": lambda: value >= given,
            "maximum": lambda: value <= given,
            "exclusiveMinimum": lambda: value > given,
        }
        return limits.get(keyword, lambda: True)()
    return True


def is_of(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def holds_of_text(keyword: str, value: str, given: Any) -> bool:
    match keyword:
        case "pattern":
            return re.search(given, value) is not None
        case "minLength":
            return len(value) >= given
        case "maxLength":
            return len(value) <= given
    return True


def as_json(value: Any) -> Any:
    """A TOML value as an editor hands it over: times are texts."""
    if isinstance(value, dict):
        return {name: as_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [as_json(part) for part in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """A schema and all inside it."""
    if not isinstance(node, dict):
        return
    yield node
    for keyword in ("properties", "$defs"):
        for inner in node.get(keyword, {}).values():
            yield from schemas(inner)
    for keyword in ("prefixItems", "anyOf"):
        for inner in node.get(keyword, []):
            yield from schemas(inner)
    for keyword in ("additionalProperties", "propertyNames", "items", "not"):
        yield from schemas(node.get(keyword))


@pytest.mark.parametrize("whole", [FACTS, CALIBRATION], ids=["facts", "calibration"])
def test_it_is_a_schema_of_the_dialect_that_it_names(whole):
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    found = list(schemas(whole))
    assert len(found) > 20
    for one in found:
        assert set(one) <= KEYWORDS
        assert set(one.get("required", ())) <= set(one.get("properties", ()))
        assert one.get("$ref", "#/$defs/").removeprefix("#/$defs/") in {"", *whole["$defs"]}
        re.compile(one.get("pattern", ""))
        for example in one.get("examples", ()):
            assert wrong(example, one, whole) == []


def test_no_key_is_a_plain_text_that_is_an_id_a_time_or_a_duration():
    patterns = {
        (table, key)
        for table, kind in KINDS.items()
        for key, one in FACTS["$defs"][kind.__name__]["properties"].items()
        if "pattern" in one
    }
    wanted = {("channel", "interval"), ("channel", "depth_cm"), ("calibration", "drifts_from")}
    wanted |= {(table, key) for table in ("calibration", "check", "mark") for key in ("from", "to")}
    wanted |= {(table, key) for table in KINDS for key in ("id", "supersedes")}
    assert wanted <= patterns


def test_every_table_of_facts_is_there_and_no_other():
    assert set(FACTS["properties"]) == FACT_TABLES
    assert FACTS["additionalProperties"] is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_facts_that_are_right_are_right_by_the_schema(path):
    table = as_json(tomllib.loads(path.read_text("utf-8")))
    assert wrong(table, FACTS, FACTS) == []
    for row in table.get("calibration", ()):
        assert wrong(row, CALIBRATION, CALIBRATION) == []


RIGHT = {"id": "c", "channel": "x", "curve": "linear"}
HASH = "0" * 64


@pytest.mark.parametrize(
    "more",
    [
        {"id": "with space"},
        {"from": "2026-04-01"},
        {"from": as_json(datetime(2026, 4, 1, 12))},  # noqa: DTZ001  what is tested
        {"step": 4},
        {"drift_per_year": -1},
        {"domain": [1]},
        {"evidence": {"../c.pdf": HASH}},
        {"evidence": {"/c.pdf": HASH}},
        {"evidence": {"c.pdf": "?"}},
        {"second": {"channel": "t", "max_age": "30"}},
        {"parameters": {"slope": "1"}},
        {"curv": "linear"},
    ],
)
def test_a_wrong_calibration_is_wrong_by_the_schema(more):
    assert wrong(RIGHT, CALIBRATION, CALIBRATION) == []
    assert wrong({**RIGHT, **more}, CALIBRATION, CALIBRATION)


def test_a_row_without_a_needed_key_or_of_an_unknown_table_is_wrong_by_the_schema():
    check = {"id": "k", "channel": "x", "state": "as found", "reading": 1, "reference_value": 1}
    assert wrong({"check": [{**check, "u_reference": 0.1}]}, FACTS, FACTS) == []
    assert wrong({"check": [check]}, FACTS, FACTS)
    assert wrong({"check": [{**check, "u_reference": 0}]}, FACTS, FACTS)
    assert wrong({"revocation": [{"of": "a", "why": "b"}]}, FACTS, FACTS) == []
    assert wrong({"sensors": []}, FACTS, FACTS)
