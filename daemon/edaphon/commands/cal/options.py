"""What the options of `cal add` say as a row of facts, and complaints in terms of the options."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from edaphon.storage.access import fail
from edaphon.toml_input import ConfigError
from edaphon_calibration.curves import find_curve
from edaphon_calibration.errors import UnknownCurve, suggestion

__all__ = ["as_options", "calibration_row", "check_row", "numbers_given"]

USAGE = 2
Said = Mapping[str, Any]
_PLAIN = ("supersedes", "channel", "sensor", "output")
_PAPERS = ("operator", "method", "reference", "certificate")
_OF_CALIBRATION = (
    "curve", "parameter", "u", "covariance", "step", "second_output", "second_channel", "max_age",
    "from_unit", "to_unit", "domain", "drifts_from", "expires", "drift_per_year",
)  # fmt: skip
_OF_CHECK = ("state", "reading", "reference_value", "u_reference", "unit")
# Keys of a row whose option is called otherwise.
_OPTIONS = {
    "parameters": "--parameter",
    "reference": "--reference-standard",
    "second": "--second-output or --second-channel with --max-age",
}


def calibration_row(stated: Said) -> dict[str, Any]:
    """Keys and values in the order in which they are written."""
    _none_of(stated, _OF_CHECK, "belongs to a check: add --check, or leave it out")
    name = _known_curve(stated["curve"])
    parameters = _in_order(name, numbers_given(stated["parameter"], "--parameter"))
    row = _begin(stated, "")
    row |= {
        "step": stated["step"],
        "curve": name,
        "second": _second(stated),
        "parameters": parameters,
    }
    row["covariance"] = _covariance(stated, name, parameters)
    row |= {key: stated[key] for key in ("from_unit", "to_unit")}
    row["domain"] = _domain(stated["domain"])
    row |= _period(stated) | {k: stated[k] for k in ("drifts_from", "expires", "drift_per_year")}
    return _stated(row | {key: stated[key] for key in _PAPERS})


def check_row(stated: Said) -> dict[str, Any]:
    """Keys and values in the order in which they are written."""
    _none_of(stated, _OF_CALIBRATION, "belongs to a calibration: leave it out, or --check")
    row = _begin(stated, "check") | {key: stated[key] for key in _OF_CHECK} | _period(stated)
    return _stated(row | {key: stated[key] for key in _PAPERS})


def as_options(config_error: ConfigError) -> str:
    """The words of check, for somebody who wrote options and no file."""
    _, _, key = config_error.key.partition(".")
    if not key:  # of the row as a whole
        return f"expected {_spoken(config_error.right)}"
    key = key.split(".")[0]
    right = _spoken(config_error.right)
    if key == "second":
        right = right.replace("--output", "--second-output").replace(
            "--channel", "--second-channel"
        )
    return f"{_option(key)}: {config_error.came}; {right}"


def _spoken(right: str) -> str:
    """`key` and key = "text" as options."""
    right = re.sub(r'\b([a-z_]+) = "([^"]*)"', lambda m: f"{_option(m[1])} {_quoted(m[2])}", right)
    return re.sub(r"`([a-z_]+)`", lambda m: _option(m[1]), right)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


def _option(key: str) -> str:
    return _OPTIONS.get(key, f"--{key.replace('_', '-')}")


def _none_of(stated: Said, names: Iterable[str], why: str) -> None:
    for name in names:
        if stated[name] not in {None, ""} if not isinstance(stated[name], list) else stated[name]:
            raise fail(f"{_option(name)}: {why}", USAGE)


def _known_curve(name: str) -> str:
    if not name:
        raise fail("expected --curve NAME, such as linear, or --check", USAGE)
    try:
        find_curve(name)
    except UnknownCurve as error:
        raise fail(str(error), USAGE) from None
    return name


def _begin(stated: Said, kind: str) -> dict[str, Any]:
    subject = stated["channel"] or f"{stated['sensor']}-{stated['output']}"
    day = (stated["since"] or stated["to"])[:10]
    name = "-".join(filter(None, (subject, kind, day or stated["curve"])))
    plain = re.sub("[^A-Za-z0-9._:-]", "-", name)[:64]
    return {"id": stated["id"] or plain, **{key: stated[key] for key in _PLAIN}}


def _period(stated: Said) -> dict[str, str]:
    return {"from": stated["since"], "to": stated["to"]}


def _stated(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, "", {}, [])}


def _second(stated: Said) -> dict[str, str]:
    given = {
        "output": stated["second_output"],
        "channel": stated["second_channel"],
        "max_age": stated["max_age"],
    }
    return {key: value for key, value in given.items() if value}


def numbers_given(given: Iterable[str] | None, option: str) -> dict[str, float]:
    """By name; ends with words for what is no NAME=VALUE."""
    found: dict[str, float] = {}
    for text in given or ():
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise fail(f"expected {option} NAME=VALUE, got {text!r}", USAGE) from None
        if not isfinite(found[name.strip()]):
            raise fail(f"expected {option} with a finite number, got {text!r}", USAGE)
    return found


def _in_order(curve: str, given: Mapping[str, float]) -> dict[str, float]:
    """In the curve's order, which a covariance follows."""
    first = find_curve(curve).in_order(given)
    return {name: given[name] for name in (*first, *given)}


def _covariance(stated: Said, curve: str, parameters: Mapping[str, float]) -> list[list[float]]:
    spread = numbers_given(stated["u"], "--u")
    if spread and stated["covariance"]:
        raise fail("expected --u for each parameter, or --covariance; got both", USAGE)
    if stated["covariance"]:
        return _matrix(stated["covariance"])
    for name, u in spread.items():
        if name not in parameters:
            near = suggestion(name, parameters)
            raise fail(f"--u: expected a --parameter of {curve}, got {name!r}{near}", USAGE)
        if u < 0.0:
            raise fail(f"--u: expected 0 or more, got {name}={u:g}", USAGE)
    if not spread:
        return []
    variances = [spread.get(name, 0.0) ** 2 for name in parameters]
    return [
        [variance if a == b else 0.0 for b in range(len(variances))]
        for a, variance in enumerate(variances)
    ]


def _matrix(text: str) -> list[list[float]]:
    right = "--covariance: expected rows in brackets, such as [[1e-6, 0], [0, 4e-6]]"
    try:
        found = tomllib.loads(f"rows = {text}")["rows"]
        return [[float(number) for number in row] for row in found]
    except (TypeError, ValueError, OverflowError, RecursionError):  # of tomllib or float
        raise fail(f"{right}, got {text!r}", USAGE) from None


def _domain(text: str) -> list[float]:
    if not text:
        return []
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise fail(f"--domain: expected LOW,HIGH such as 0.05,0.45, got {text!r}", USAGE) from None
    return [low, high]
