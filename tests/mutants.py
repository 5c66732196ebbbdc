"""Random mutants of the code, each through the tests of its own room: `./run faults mutants`.

A mutant is the code with one comparison, and/or, +/- or `not` changed. It is made in a copy of the
tree and is killed by a test that fails with it and passes without it. Mutants that live show what
no test of the room holds; some are the same program in other signs, which a reader must judge.
"""

import argparse
import ast
import importlib
import importlib.util
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("daemon/edaphon", "drivers/edaphon_drivers", "calibration/edaphon_calibration")
NOT_MUTATED = {"simulators", "simulate", "demo", "bench"}  # they play, and record nothing
TESTED_IN = {  # rooms whose tests lie, also, in the folder of another room
    "service": ("commands",),
    "storage": ("commands", "service"),
    "explain": ("commands",),
    "preview": ("commands",),
    "toml_input": ("config",),
}
_COMMANDS = "tests/daemon/commands/test_"
FILES_TESTED_IN = {  # files, also by the beginning of their names, that test files of others test
    "calibration/edaphon_calibration/quality/": ("tests/conformance/test_quality.py",),
    "daemon/edaphon/quality.py": ("tests/conformance/test_quality.py",),
    "daemon/edaphon/acquire/line_": tuple(
        f"{_COMMANDS}{name}.py" for name in ("scan", "sensor", "term", "record")
    ),
    "daemon/edaphon/commands/query.py": (
        "tests/daemon/test_quality.py",
        "tests/daemon/test_means.py",
    ),
    "drivers/edaphon_drivers/gsm.py": ("tests/daemon/alerts/receivers/test_sms.py",),
}
AT_MOST_LIVE = 0.15
LONGEST_S = 900.0  # one mutant through its room
TRACED_FROM = 40  # mutants: fewer don't pay for a look at what each test file calls
NOT_COPIED = (".venv", ".git", ".cache", ".*_cache", "__pycache__", ".hypothesis", "dist")
LIBRARIES = """apscheduler.schedulers.background hypothesis influxdb_client jinja2 numpy orjson
    paho.mqtt.client pint pydantic pytest re2 rich.console serial starlette.applications typer
    uvicorn"""  # imported once, before the fork of each mutant
SWAPS = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
    ast.And: ("and", ("or",)),
    ast.Or: ("or", ("and",)),
    ast.Add: ("+", ("-",)),
    ast.Sub: ("-", ("+",)),
}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOGS = re.compile(rb"\b_?log(ger|ging)?\.\w+$|\bwarnings\.warn$")


@dataclass(frozen=True, slots=True)
class Place:
    """An operator in the bytes of a file, and what may stand there instead."""

    start: int
    end: int
    instead: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One file with one operator changed."""

    file: str
    line: int
    before: str
    after: str
    text: bytes
    function: str  # FILE:LINE of the one that it lies in, "" for none: an import runs it


@dataclass(frozen=True, slots=True)
class Result:
    """What the tests found: state is killed, lives or not run; by is the test or the reason."""

    mutant: Mutant
    state: str
    by: str
    seconds: float


class _Finder(ast.NodeVisitor):
    """Collects the operators of a file, without annotations and texts for people."""

    def __init__(self, data: bytes) -> None:
        self.places: list[Place] = []
        self._data = data
        self._lines = [0]
        for line in data.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self.visit(ast.parse(data))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """Nothing in an annotation computes."""

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        node.returns = None
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Python below 3.12 doesn't know where its parts are."""

    def visit_Call(self, node: ast.Call) -> None:
        called = self._data[self._start(node.func) : self._end(node.func)]
        if not LOGS.search(called):
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for (left, right), operator in zip(pairwise(operands), node.ops, strict=True):
            self._between(left, right, operator)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in pairwise(node.values):
            self._between(left, right, node.op)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not (_is_text(node.left) or _is_text(node.right)):
            self._between(node.left, node.right, node.op)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if not _is_text(node.value):
            self._between(node.target, node.value, node.op)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            start = self._start(node)
            found = re.compile(rb"not\s*").match(self._data, start)
            assert found is not None
            self.places.append(Place(start, found.end(), ("",)))
        self.generic_visit(node)

    def _between(self, left: ast.expr, right: ast.expr, operator: ast.AST) -> None:
        if type(operator) not in SWAPS:
            return
        before, instead = SWAPS[type(operator)]
        start = self._end(left)
        gap = self._data[start : self._start(right)]
        found = re.search(rb"\s+".join(re.escape(word.encode()) for word in before.split()), gap)
        if found and b"#" not in gap:
            self.places.append(Place(start + found.start(), start + found.end(), instead))

    def _start(self, node: ast.expr) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr) -> int:
        return self._lines[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)


def _is_text(node: ast.expr) -> bool:
    """A text takes no minus: any test that comes by kills it."""
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def places(data: bytes) -> list[Place]:
    return sorted(_Finder(data).places, key=lambda place: place.start)


def mutant(file: str, data: bytes, place: Place, instead: str) -> Mutant:
    text = data[: place.start] + instead.encode() + data[place.end :]
    line = data.count(b"\n", 0, place.start)
    before, after = (each.splitlines()[line].decode().strip() for each in (data, text))
    first = _function(data, line + 1)
    return Mutant(file, line + 1, before, after, text, f"{file}:{first}" if first else "")


@cache
def _functions(data: bytes) -> list[tuple[int, int]]:
    """Where each begins, its decorators with it as in its code object, and where it ends."""
    found = [n for n in ast.walk(ast.parse(data)) if isinstance(n, _DEFINITIONS)]
    return [
        (min([n.lineno, *(d.lineno for d in n.decorator_list)]), n.end_lineno or 0) for n in found
    ]


def _function(data: bytes, line: int) -> int:
    return max((first for first, last in _functions(data) if first <= line <= last), default=0)


def files(tree: Path) -> list[str]:
    found = [path for package in PACKAGES for path in (tree / package).rglob("*.py")]
    names = [path.relative_to(tree) for path in found]
    mutated = [name for name in names if not NOT_MUTATED & {*name.with_suffix("").parts}]
    return sorted(name.as_posix() for name in mutated)


def chosen(tree: Path, seed: int, count: int, only: Sequence[str] = ("",)) -> list[Mutant]:
    """`count` different mutants, the same for one code and seed; of lines: each."""
    lines = {name for name in only if ":" in name}
    inside = tuple(name.partition(":")[0] for name in only)
    data = {file: (tree / file).read_bytes() for file in files(tree) if file.startswith(inside)}
    all_places = [(file, place) for file in data for place in places(data[file])]
    if lines:
        every = (mutant(f, data[f], place, to) for f, place in all_places for to in place.instead)
        return [each for each in every if f"{each.file}:{each.line}" in lines]
    dice = random.Random(seed)
    picked = dice.sample(all_places, min(count, len(all_places)))
    return [mutant(f, data[f], place, dice.choice(place.instead)) for f, place in picked]


def room(file: str) -> str:
    top, _, *rest = file.split("/")
    return rest[0] if top == "daemon" and len(rest) > 1 else top


def room_tests(tree: Path, file: str) -> list[str]:
    """The test files of the room and those that import the module; the likeliest to fail first."""
    top, package, *folders, name = file.removesuffix(".py").split("/")
    mirror = tree / "tests" / top
    module = ".".join((package, *folders, *([] if name == "__init__" else [name])))
    found: list[Path] = []
    if top == "daemon" and folders:
        rooms = (folders[0], *TESTED_IN.get(folders[0], ()))
        found = [path for each in rooms for path in sorted((mirror / each).rglob("test_*.py"))]
    elif top != "daemon":
        found = sorted(mirror.rglob("test_*.py"))
    if not found:  # a file or room without a folder of tests
        named = [path for path in sorted(mirror.rglob("test_*.py")) if module in imports(path)]
        found = [*named, *sorted(mirror.glob("test_*.py"))]
    for folder in ("daemon", "drivers"):
        others = sorted((tree / "tests" / folder).rglob("test_*.py"))
        found += [path for path in others if module in imports(path)]
    for start, tests in FILES_TESTED_IN.items():
        if file.startswith(start):
            found += [path for path in map(tree.joinpath, tests) if path.exists()]
    words = {*folders, *name.split("_")}

    def unlikely(path: Path) -> tuple[bool, bool, bool]:
        own = module in imports(path)
        near = path.parent == mirror.joinpath(*folders)
        return not own, not near, not words & set(path.stem.split("_"))

    ordered = sorted(dict.fromkeys(found), key=unlikely)
    return [path.relative_to(tree).as_posix() for path in ordered]


@cache
def imports(path: Path) -> frozenset[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return frozenset(found)


def starts_programs(path: Path) -> bool:
    """Whether code runs in other processes, where nobody sees which functions are called."""
    stories = any(name.startswith("tests.stories") for name in imports(path))
    return stories or b"subprocess" in path.read_bytes()


class _Watch:
    """A plugin of pytest: the first test, or file that can't be imported, that fails."""

    def __init__(self) -> None:
        self.failed = ""

    def answer(self) -> str:
        return self.failed

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    pytest_collectreport = pytest_runtest_logreport


class _Trace:
    """A plugin of pytest: the functions of the tree that are called, as FILE:LINE, a line each."""

    def __init__(self, copy: Path) -> None:
        self._start = f"{copy}{os.sep}"
        self._seen: set[CodeType] = set()

    def _see(self, frame: FrameType, event: str, arg: object) -> None:
        self._seen.add(frame.f_code)

    def pytest_collection(self) -> None:
        threading.settrace(self._see)
        sys.settrace(self._see)

    def answer(self) -> str:
        sys.settrace(None)
        own = [code for code in self._seen if code.co_filename.startswith(self._start)]
        names = {f"{c.co_filename.removeprefix(self._start)}:{c.co_firstlineno}" for c in own}
        return "\n".join(sorted(names))


@dataclass(slots=True)
class Worker:
    """A process with a copy of the tree and the libraries loaded; each mutant gets a fork of it."""

    folder: Path
    copy: Path
    passing: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def begin(cls, tree: Path, base: Path) -> "Worker":
        folder = base / str(os.getpid())
        copy = folder / "tree"
        shutil.copytree(tree, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
        for name in (".venv", ".cache"):
            if (tree / name).exists():
                (copy / name).symlink_to(tree / name)
        os.chdir(copy)
        tops = [str(copy / package.split("/")[0]) for package in PACKAGES]
        own = {str(tree / package.split("/")[0]) for package in PACKAGES}
        sys.path[:] = [*tops, str(copy), *(p for p in sys.path if p not in {"", str(tree), *own})]
        sys.modules.pop("tests", None)
        os.environ["PYTHONPATH"] = os.pathsep.join(tops)
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        for name in LIBRARIES.split():
            importlib.import_module(name)
        no_shrinking()
        return cls(folder, copy)

    def calls(self, test: str) -> set[str]:
        """The functions that a test file calls."""
        return {*self._pytest([test], _Trace(self.copy))[1].splitlines()}

    def run(self, mutant: Mutant, tests: Sequence[str]) -> Result:
        began = time.monotonic()
        if not tests:
            return Result(mutant, "lives", "no test of its room calls it", 0.0)
        file = self.copy / mutant.file
        original = file.read_bytes()
        state, by = "", ""
        while not state:
            self._write(file, mutant.text)
            code, failed = self._pytest(["-x", *tests], _Watch())
            self._write(file, original)
            state, by = self._judged(code, failed)
        return Result(mutant, state, by, time.monotonic() - began)

    def _judged(self, code: int | None, failed: str) -> tuple[str, str]:
        """What that run means; nothing for a test that fails without the mutant: run again."""
        if code is None:
            return "not run", f"longer than {LONGEST_S:.0f} s"
        if code == 0:
            return "lives", ""
        if not failed or failed in self.passing:
            return "killed", failed or f"the process, exit code {code}"
        how = [] if "::" in failed else ["--collect-only"]
        self.passing[failed] = self._pytest([failed, *how], _Watch())[0] == 0
        if self.passing[failed]:
            return "killed", failed
        return ("", "") if "::" in failed else ("not run", f"{failed} fails without it")

    def _write(self, file: Path, data: bytes) -> None:
        file.write_bytes(data)
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)

    def _pytest(self, words: Sequence[str], plugin: _Watch | _Trace) -> tuple[int | None, str]:
        """(exit code, None for too long; the plugin's answer) of a fork in a session of its own."""
        answer = self.folder / "failed"
        answer.write_text("", "utf-8")
        pid = os.fork()
        if pid == 0:
            code = 3
            try:
                code = self._as_child(words, plugin, answer)
            finally:
                os._exit(code)
        try:
            return _ended(pid), answer.read_text("utf-8")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _as_child(self, words: Sequence[str], plugin: _Watch | _Trace, answer: Path) -> int:
        import pytest

        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        skipped = [f"--deselect={test}" for test, passes in self.passing.items() if not passes]
        quiet = "-Wignore::pytest.PytestAssertRewriteWarning"
        options = [
            quiet,
            "-q",
            "--tb=no",
            "-p",
            "no:cacheprovider",
            f"--basetemp={self.folder}/t",
        ]
        code = int(pytest.main([*options, *skipped, *words], plugins=[plugin]))
        answer.write_text(plugin.answer(), "utf-8")
        return code


def _ended(pid: int) -> int | None:
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def no_shrinking() -> None:
    """Property tests play the same examples each time, and stop at the first that fails."""
    from hypothesis import Phase, settings

    phases = (Phase.explicit, Phase.generate)
    settings.register_profile(
        "mutants", phases=phases, database=None, derandomize=True, deadline=None
    )
    settings.load_profile("mutants")


_workers: list[Worker] = []  # of a process of the pool: its own


def _begin(tree: Path, base: Path) -> None:
    _workers.append(Worker.begin(tree, base))


def _run(job: tuple[Mutant, list[str]]) -> Result:
    return _workers[0].run(*job)


def _calls(test: str) -> tuple[str, set[str]]:
    return test, _workers[0].calls(test)


def results(tree: Path, mutants: Sequence[Mutant], workers: int) -> Iterator[Result]:
    """Each mutant's result as it comes; the copies are gone at the end."""
    forking = multiprocessing.get_context("fork")
    with (
        tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as base,
        forking.Pool(workers, _begin, (tree, Path(base))) as pool,
    ):
        tests = {m.file: room_tests(tree, m.file) for m in mutants}
        every = sorted({test for own in tests.values() for test in own})
        calls: dict[str, set[str]] = {}
        if len(mutants) >= TRACED_FROM:
            for test, functions in pool.imap_unordered(_calls, every):
                calls[test] = functions
                print(f"\r{len(calls)}/{len(every)} test files traced", end="", file=sys.stderr)
        blind = {test for test in every if starts_programs(tree / test)}
        jobs = [(m, concerned(m, tests[m.file], calls, blind)) for m in mutants]
        yield from pool.imap_unordered(_run, jobs)


def concerned(
    mutant: Mutant, tests: Sequence[str], calls: Mapping[str, set[str]], blind: set[str]
) -> list[str]:
    """Those that call the function, then those of which nobody knows; all without a trace."""
    if not calls or not mutant.function:
        return [*tests]
    sure = [test for test in tests if mutant.function in calls[test]]
    return sure + [test for test in tests if test in blind and test not in sure]


def score(found: Sequence[Result]) -> tuple[list[str], float]:
    """Lines of a table by room, and the share of those run that live."""
    rooms: dict[str, Counter[str]] = {}
    for each in found:
        rooms.setdefault(room(each.mutant.file), Counter())[each.state] += 1
    total = sum(rooms.values(), Counter())
    share = total["lives"] / max(1, total["lives"] + total["killed"])
    states = ("killed", "lives", "not run")
    lines = [f"{'room':<14}" + "".join(f"{state:>9}" for state in states)]
    for name, count in [*sorted(rooms.items()), ("all", total)]:
        lines.append(f"{name:<14}" + "".join(f"{count[state]:>9}" for state in states))
    return lines, share


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("./run faults mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which mutants")
    parser.add_argument("--count", type=int, default=200, help="how many")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=2, help="at a time")
    parser.add_argument("--only", nargs="+", default=("",), help="folders, files, FILE:LINE")
    parser.add_argument("--tree", type=Path, default=ROOT, help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the copies and forks end too
    mutants = chosen(given.tree.resolve(), given.seed, given.count, given.only)
    found: list[Result] = []
    for each in results(given.tree.resolve(), mutants, given.workers):
        found.append(each)
        m = each.mutant
        what = f"{each.state} by {each.by}" if each.state == "killed" else f"{each.state} {each.by}"
        print(f"{len(found)}/{len(mutants)} {m.file}:{m.line} {what} ({each.seconds:.1f} s)")
        if each.state != "killed":
            print(f"    before: {m.before}\n    after:  {m.after}", flush=True)
    lines, share = score(found)
    living = sorted((r.mutant for r in found if r.state == "lives"), key=lambda m: (m.file, m.line))
    print("\nThey live; each is a gap of the tests, or the same program in other signs:")
    for m in living:
        print(f"{m.file}:{m.line}\n    before: {m.before}\n    after:  {m.after}")
    print("", *lines, f"{share:.1%} live, at most {AT_MOST_LIVE:.0%} may", sep="\n")
    return int(share > AT_MOST_LIVE)


if __name__ == "__main__":
    sys.exit(main())
