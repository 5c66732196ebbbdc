"""The public face of the calibration room says what it has, and loads nothing heavy."""

import doctest
import subprocess
import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest

import edaphon_calibration

MODULES = [
    m.name for m in walk_packages(edaphon_calibration.__path__, f"{edaphon_calibration.__name__}.")
]


def test_the_public_face_names_all_it_has_and_nothing_else() -> None:
    public = {
        name
        for name, thing in vars(edaphon_calibration).items()
        if not name.startswith("_") and type(thing).__name__ != "module"
    }
    assert public == set(edaphon_calibration.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_each_module_says_in_one_sentence_what_it_is_for_and_names_its_face(name: str) -> None:
    module = import_module(name)
    assert module.__doc__
    assert module.__doc__.split("\n\n")[0].count("\n") == 0
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public)


@pytest.mark.parametrize("name", MODULES)
def test_the_worked_examples_are_right(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_importing_the_room_loads_neither_pint_nor_scipy_nor_any_input_or_output() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules); import edaphon_calibration;"
        "new = set(sys.modules) - before; new |= {m.split('.')[0] for m in new};"
        "heavy = {'pint', 'scipy', 'numpy.random', 'socket', 'sqlite3', 'time', 'logging'};"
        "sys.exit(sorted(new & heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
