"""How large files and functions are: a warning beyond what a reader likes, a failure far beyond."""

import ast
import statistics
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.documents import ROOT

FILE_LINES, FUNCTION_LINES = 450, 60
FAR_BEYOND = 1.25
ROOMS = ("daemon", "drivers", "calibration")

pytestmark = pytest.mark.filterwarnings("default::UserWarning")


def code_files() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            yield f"{path.name}:{node.lineno} {node.name}", size


def judge(what: str, sizes: Mapping[str, int], limit: int) -> None:
    large = {name: n for name, n in sizes.items() if n > limit}
    if large:
        median = statistics.median(sizes.values())
        warnings.warn(f"{what} above {limit} lines (median {median}): {large}", stacklevel=2)
    assert {name: n for name, n in large.items() if n > limit * FAR_BEYOND} == {}


def test_files_are_not_longer_than_a_reader_bears() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in code_files()
    }
    judge("files", sizes, FILE_LINES)


def test_functions_are_not_longer_than_a_screen() -> None:
    judge("functions", dict(f for path in code_files() for f in functions(path)), FUNCTION_LINES)


def test_each_file_begins_with_one_sentence_that_says_what_it_is_for() -> None:
    files = [*code_files(), *(ROOT / "tests").rglob("*.py")]
    silent = [str(p) for p in files if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert silent == []


def broad(handler: ast.ExceptHandler) -> bool:
    names = {node.id for node in ast.walk(handler.type or ast.Name("all")) if hasattr(node, "id")}
    passes_on = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return bool(names & {"all", "Exception", "BaseException"}) and not passes_on


def test_who_catches_everything_says_whom_it_keeps_alive() -> None:
    silent, total = [], 0
    for path in code_files():
        lines = path.read_text("utf-8").splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.ExceptHandler) and broad(node):
                total += 1
                if "#" not in lines[node.lineno - 1]:
                    silent.append(f"{path.name}:{node.lineno}")
    if silent:
        warnings.warn(f"broad excepts without a reason: {silent}", stacklevel=1)
    assert total <= 10, "everything is caught in a supervision (bus, reader, sink, socket) only"
