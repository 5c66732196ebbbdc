"""The tool that changes operators: where it may, and what it reports of a small tree."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.documents import ROOT
from tests.mutants import chosen, mutant, places, room_tests

SUMS = '''"""A tested line, one that no test holds, one whose test fails by itself."""


def total(a: int, b: int) -> int:
    return a + b


def later(a: int, b: int) -> bool:
    return a is b


def never(a: int) -> bool:
    return not a


def uncalled(a: int) -> int:
    return a - 1
'''
TESTS = """from edaphon.toy.sums import later, never, total


def test_fails_by_itself():
    assert never(1)


def test_of_another_line():
    later(1, 1)


def test_total():
    assert total(2, 2) == 4
"""


def toy(folder: Path) -> Path:
    for name, text in {
        "daemon/edaphon/__init__.py": "",
        "daemon/edaphon/toy/__init__.py": "",
        "daemon/edaphon/toy/sums.py": SUMS,
        "tests/daemon/toy/test_another.py": "def test_one():\n    pass\n",
        "tests/daemon/toy/test_sums.py": TESTS,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def changes(text: str) -> list[str]:
    data = text.encode()
    return [mutant("x.py", data, p, each).after for p in places(data) for each in p.instead]


def test_each_operator_is_changed_at_its_place():
    assert changes("a = b < c") == ["a = b <= c", "a = b >= c"]
    assert changes("a = µ == (c)") == ["a = µ != (c)"]
    assert changes("a = b is not  c") == ["a = b is  c"]
    assert changes("a = b not in c") == ["a = b in c"]
    assert changes("a = not b or c and d") == [
        "a = b or c and d",
        "a = not b and c and d",
        "a = not b or c or d",
    ]
    assert changes("a = b + c\na -= 1") == ["a = b - c", "a += 1"]
    assert changes("a = (\n    b\n    - c\n)") == ["+ c"]


def test_annotations_texts_and_log_lines_are_left_alone():
    assert changes('"""a + b"""\n# c - d\n') == []
    assert changes("def f(a: 1 + 2 = 3) -> 4 - 5:\n    b: 6 + 7") == []
    assert changes("def f(a: int = 1 + 2): ...") == ["def f(a: int = 1 - 2): ..."]
    assert changes('a = f"{b + c}" + d + e') == []
    assert changes('_log.info("%s", a + b)\nlogging.warning(a - b)') == []


def test_the_same_seed_picks_the_same_mutants_of_all_but_the_simulators():
    some = ["drivers/edaphon_drivers/s"]  # simulators among them
    assert chosen(ROOT, 1, 20, some) == chosen(ROOT, 1, 20, some) != chosen(ROOT, 2, 20, some)
    every = chosen(ROOT, 1, 10**6, some)
    assert every
    assert len({(m.file, m.text) for m in every}) == len(every)
    assert not [m.file for m in every if "simulators" in m.file]


def test_the_file_that_names_the_module_comes_first(tmp_path):
    found = room_tests(toy(tmp_path), "daemon/edaphon/toy/sums.py")
    assert found == ["tests/daemon/toy/test_sums.py", "tests/daemon/toy/test_another.py"]


RUN = "import sys; from tests import mutants; mutants.TRACED_FROM = {}; sys.exit(mutants.main())"


@pytest.mark.parametrize("traced_from", [1, 99])
def test_a_tested_line_is_killed_an_untested_lives_and_the_tree_stays_as_it_is(
    tmp_path, traced_from
):
    tree = toy(tmp_path)
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    words = [sys.executable, "-c", RUN.format(traced_from), "--tree", str(tree), "--workers", "1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    by_line = {line.split()[1]: line for line in lines if line[0:1].isdigit() and "/4 " in line}
    file = "daemon/edaphon/toy/sums.py"
    test = "tests/daemon/toy/test_sums.py"
    assert f"{file}:5 killed by {test}::test_total (" in by_line[f"{file}:5"]
    assert f"{file}:9 lives" in by_line[f"{file}:9"]
    assert f"{file}:13 lives" in by_line[f"{file}:13"]
    uncalled = "no test of its room calls it" if traced_from == 1 else ""
    assert f"{file}:17 lives {uncalled}" in by_line[f"{file}:17"]
    assert [line.split() for line in lines[-2:]] == [
        ["all", "1", "3", "0"],
        ["75.0%", "live,", "at", "most", "15%", "may"],
    ]
    assert {path: path.read_bytes() for path in before} == before
