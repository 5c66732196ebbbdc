"""Every case of the folders here holds against the command as it is installed."""

import concurrent.futures as cf
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EDAPHON = Path(sysconfig.get_path("scripts")) / "edaphon"
AT_ONCE = 6  # they mostly wait

CASES = {
    path.stem: path.parent
    for path in sorted(HERE.glob("*/*.json"))
    if '"run"' in path.read_text("utf-8")
}


def run(name: str) -> str:
    """What the runner prints of one case; in a process of its own, since it starts threads."""
    runner = HERE / "run_cases.py"
    command = [sys.executable, str(runner), str(EDAPHON), str(CASES[name]), name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def printed() -> Iterator[Mapping[str, "cf.Future[str]"]]:
    """All cases side by side, since they mostly wait; the longest first."""
    with cf.ThreadPoolExecutor(AT_ONCE) as pool:
        names = sorted(CASES, key=lambda name: not name.startswith("f06"))
        yield {name: pool.submit(run, name) for name in names}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", CASES)
def test_a_case_holds(printed: Mapping[str, "cf.Future[str]"], name: str) -> None:
    assert f"holds    {name} " in printed[name].result()
