"""One test for each vector and each reference case, of the project's own copy or of any folder.

pytest tests/conformance --vectors FOLDER --reference FOLDER
pytest tests/conformance --zoo FOLDER --json FILE
pytest tests/conformance --quality FOLDER
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.conformance.entries import read_cases, read_entries
from tests.conformance.quality_cases import read_quality_cases
from tests.conformance.zoo_files import is_short, plays_of
from tests.conformance.zoo_judge import Verdict, played, report

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--vectors", type=Path, metavar="FOLDER", help="folder of vectors (*.json)")
    group.addoption("--zoo", type=Path, metavar="FOLDER", help="folder of a zoo of faults")
    group.addoption("--quality", type=Path, metavar="FOLDER", help="folder of quality cases")
    group.addoption("--json", type=Path, metavar="FILE", help="write the zoo's verdicts there")
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
    if "quality_case" in metafunc.fixturenames:
        quality = read_quality_cases(_folder(metafunc.config, "quality"))
        metafunc.parametrize(
            ("quality_check", "quality_case"),
            [pytest.param(check, case, id=name) for name, check, case in quality],
        )
    if "zoo_play" in metafunc.fixturenames:
        folder = _zoo(metafunc.config)
        own = metafunc.config.getoption("zoo") is None
        names = [n for n in plays_of(folder) if not own or is_short(folder, *n)]
        plays = [(folder, *one) for one in names]
        ids = ["-".join([site, season, scenario or "base"]) for _, site, season, scenario in plays]
        metafunc.parametrize("zoo_play", plays, ids=ids)


@pytest.fixture
def verdict(
    zoo_play: tuple[Path, str, str, str], record_property: Callable[[str, object], None]
) -> Verdict:
    found = played(*zoo_play)
    record_property("zoo", asdict(found))
    return found


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The report of the zoo, from whichever process played it."""
    verdicts = list(_verdicts(terminalreporter))
    if not verdicts:
        return
    terminalreporter.section("zoo of faults")
    for line in report(verdicts):
        terminalreporter.write_line(line)
    file: Path | None = config.getoption("json", default=None)
    if file is not None:
        file.write_text(json.dumps([asdict(one) for one in verdicts], indent=1) + "\n")


def _verdicts(reporter: pytest.TerminalReporter) -> Iterator[Verdict]:
    for reports in reporter.stats.values():
        for one in reports:
            if getattr(one, "when", "") == "call":
                found = dict(one.user_properties).get("zoo")
                if found is not None:
                    yield Verdict(**found)


def _zoo(config: pytest.Config) -> Path:
    given: Path | None = config.getoption("zoo", default=None)
    folder = given if given is not None else HERE / "zoo_data"
    if not any(folder.glob("base-*-*.csv")):
        raise pytest.UsageError(f"--zoo: expected base-SITE-S.csv in {folder}, found none")
    return folder


def _folder(config: pytest.Config, option: str) -> Path:
    # The options exist only in runs that name this folder: pytest reads them before collecting.
    given: Path | None = config.getoption(option, default=None)
    folder = given if given is not None else HERE / option
    if not any(folder.glob("*.json")):
        raise pytest.UsageError(f"--{option}: expected *.json files in {folder}, found none")
    return folder
