"""Cases of the quality tests as a folder has them: inputs, parameters and what is expected."""

import json
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from edaphon.alerts.rules import FALLS_DAYS, MINIMA, days_left
from edaphon_calibration import quality

Case = Mapping[str, Any]


def _supply(
    daily_minimum: Any, cutoff: float, days: float = FALLS_DAYS, need: int = MINIMA
) -> str | None:
    """What the alerts make of the daily minima of a voltage."""
    minima = [float(one) for one in daily_minimum[-need:]]
    left = days_left(minima, cutoff) if all(map(isfinite, minima)) else None
    if left is None:
        return None
    return "lost" if minima[-1] <= cutoff else "will be lost" if left <= days else "fine"


_FUNCTIONS = {"range": quality.in_range, "supply": _supply}
_ARGUMENTS = {"x": "value", "t": "time_s", "status": "bad", "beside": "neighbour"}
_ROW_S = 600.0  # where a case names rows and no times


def read_quality_cases(folder: Path) -> Iterator[tuple[str, str, Case]]:
    """(test id, check, case) of each `*.json` of a folder."""
    for path in sorted(folder.glob("*.json")):
        table = json.loads(path.read_text("utf-8"))
        for case in table["cases"]:
            yield f"{table['check']}-{case['id']}", table["check"], case


def found(check: str, case: Case) -> Any:
    """What the test of that name gives, in the form of `expect`."""
    function: Callable[..., Any] = _FUNCTIONS.get(check) or getattr(quality, check)
    given = {_ARGUMENTS.get(name, name): value for name, value in case["inputs"].items()}
    if check == "rail":
        given["time_s"] = (np.arange(len(given["value"])) * _ROW_S).tolist()
    if check == "rate":
        given["bad"] = np.array(given["bad"], bool)
    arrays = {name: _column(v) if isinstance(v, list) else v for name, v in given.items()}
    return _plain(function(**arrays, **case["params"]))


def _column(values: list[Any]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def _plain(result: Any) -> Any:
    if isinstance(result, np.ndarray):
        return result.tolist()
    if isinstance(result, list | tuple):
        return [_plain(one) for one in result]
    return result
