"""The name, every field and the numbers of every built-in curve stay what they are.

What a curve gives enters journals, derivations and publications: a changed digest means that
stored values would come out differently. A curve that is new gets a line; none is ever changed.
`python -m tests.calibration.test_curve_digests` writes the lines of new curves.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from tests.calibration.examples import grid, second_input, with_parameters

from edaphon_calibration import curve_names
from edaphon_calibration.arrays import Float

DIGESTS = Path(__file__).with_name("curve_digests.json")
DIGITS = 9  # what every machine gives alike: its last bits differ in exp, log and roots


def numbers(column: Float) -> list[str]:
    """As text in nine digits; what is nothing against the largest is 0, for rounding made it."""
    flat = column.ravel()
    finite = np.abs(flat[np.isfinite(flat)])
    least = 1e-12 * float(finite.max()) if finite.size else 0.0
    return [f"{0.0 if abs(x) <= least else x:.{DIGITS}g}" for x in flat.tolist()]


def digest(name: str) -> str:
    found, p = with_parameters(name)
    x, z = grid(found, 41), second_input(found, 41)
    second = found.second
    fields = [found.name, list(found.parameters.items()), found.reference, found.from_unit]
    fields += [found.to_unit, found.quantity, list(map(repr, found.domain))]
    fields += [f"{found.uncertainty:.{DIGITS}g}", list(found.compensates), found.nonlinear]
    fields += [second and [second.quantity, second.unit, list(map(repr, second.domain))]]
    functions = [found.value, found.slope, found.gradient, *([second.slope] if second else [])]
    fields += [numbers(of(x, p, *z)) for of in functions]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()[:16]


def digests() -> dict[str, str]:
    known: dict[str, str] = json.loads(DIGESTS.read_text("utf-8"))
    return known


@pytest.mark.parametrize("name", curve_names())
def test_a_curve_stays_what_it_is(name: str) -> None:
    assert digest(name) == digests().get(name), name


def test_no_curve_is_lost() -> None:
    assert set(digests()) <= set(curve_names())


if __name__ == "__main__":
    known = digests()
    for new in curve_names():
        known.setdefault(new, digest(new))
    DIGESTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
