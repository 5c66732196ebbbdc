"""One test for each vector and each reference case, of the project's own copy or of any folder.

pytest tests/conformance --vectors FOLDER --reference FOLDER
"""

from pathlib import Path

import pytest
from tests.conformance.entries import read_cases, read_entries

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--vectors", type=Path, metavar="FOLDER", help="folder of vectors (*.json)")
    group.addoption("--reference", type=Path, metavar="FOLDER", help="folder of reference numbers")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "vector" in metafunc.fixturenames:
        entries = read_entries(_folder(metafunc.config, "vectors"))
        metafunc.parametrize("vector", [pytest.param(e, id=name) for name, e in entries])
    if "case" in metafunc.fixturenames:
        cases = read_cases(_folder(metafunc.config, "reference"))
        metafunc.parametrize(
            ("group", "case"), [pytest.param(group, case, id=name) for name, group, case in cases]
        )


def _folder(config: pytest.Config, option: str) -> Path:
    # The options exist only in runs that name this folder: pytest reads them before collecting.
    given: Path | None = config.getoption(option, default=None)
    folder = given if given is not None else HERE / option
    if not any(folder.glob("*.json")):
        raise pytest.UsageError(f"--{option}: expected *.json files in {folder}, found none")
    return folder
