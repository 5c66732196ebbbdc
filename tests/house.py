"""The sizes, words and names of the three packages, room by room: python -m tests.house [--list].

With `--list` it prints each file with the first line of its docstring, as a reader finds it.
"""

import ast
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.documents import ROOT

PACKAGES = {
    "edaphon": ROOT / "daemon",
    "edaphon_drivers": ROOT / "drivers",
    "edaphon_calibration": ROOT / "calibration",
}
# The most files that the rooms together may have in the end; what is named nowhere is the bottom.
AIMS = {
    ("journal",): 9,
    ("series",): 8,
    ("derive",): 13,
    ("acquire",): 12,
    ("sinks",): 9,
    ("service",): 22,
    ("alerts",): 20,
    ("facts", "config", "toml_input"): 18,
    ("preview", "explain"): 10,
    ("web",): 10,
    ("commands",): 28,
    ("bottom",): 8,
    ("drivers",): 80,
    ("calibration",): 36,
}
# Words that please the writer and say nothing to the reader; in pieces, as they stand nowhere.
WORDS = tuple(
    a + b
    for a, b in (
        ("to", "ld"),
        ("sa", "id"),
        ("bes", "ide"),
        ("no", "uns"),
        ("trou", "ble"),
        ("trou", "bles"),
        ("hea", "rd"),
        ("pap", "ers"),
    )
)
# Keys of frozen formats, which may stand as a whole string: a key of the socket and of --json, a
# key and a kind of model sheets and sources, a key of a derivation's text and of a checkpoint.
FROZEN_KEYS = {WORDS[0], WORDS[2], WORDS[4], WORDS[6]}
_AS_A_KEY = re.compile(rf"\b{WORDS[6]} ?= ?[Tt]rue|`{WORDS[6]}`")  # in the text of a sheet
_WORD = re.compile(rf"(?<![\w\"'])(?:{'|'.join(WORDS)})\b|[\"'](?:{'|'.join(WORDS)})\b[\"']?")


def code_files() -> list[Path]:
    return sorted(path for folder in PACKAGES.values() for path in folder.rglob("*.py"))


def all_files() -> list[Path]:
    """Those of the repository, tests too."""
    named = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for name in sorted(named.splitlines()) if (path := ROOT / name).exists()]


def room_of(path: Path) -> str:
    package, _, *folders = path.relative_to(ROOT).parts
    if package != "daemon":
        return package
    known = {room for rooms in AIMS for room in rooms}
    return folders[0] if len(folders) > 1 and folders[0] in known else "bottom"


@cache
def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(path)))


def imports_of(path: Path) -> int:
    return sum(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes_of(path))


def imports_per_file(files: Iterable[Path]) -> float:
    return statistics.mean(map(imports_of, files))


def function_sizes(files: Iterable[Path]) -> list[int]:
    return sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in files
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def word_hits(path: Path) -> Iterator[str]:
    """Where one of the words stands, a frozen key left out that is alone in its quotes."""
    for number, line in enumerate(lines_of(path), 1):
        for hit in _WORD.finditer(_AS_A_KEY.sub("", line)):
            found = hit[0]
            is_key = found[0] in "\"'" and found[0] == found[-1] and found[1:-1] in FROZEN_KEYS
            if not is_key:
                yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def double_classes() -> dict[str, list[str]]:
    """Class names that stand twice in one package, with their files."""
    found: dict[str, list[str]] = {}
    for package, folder in PACKAGES.items():
        places: dict[str, list[str]] = defaultdict(list)
        for path in sorted(folder.rglob("*.py")):
            for node in nodes_of(path):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(ROOT)))
        found |= {f"{package}: {name}": own for name, own in places.items() if len(own) > 1}
    return found


def dispatches() -> list[str]:
    """Where a computed text chooses what is called."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in code_files()
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and _dispatches(node)
    ]


def _dispatches(call: ast.Call) -> bool:
    asked = call.func if isinstance(call.func, ast.Call) else call
    if not isinstance(asked.func, ast.Name) or asked.func.id != "getattr" or len(asked.args) < 2:
        return False
    thing, name, *_ = asked.args
    if isinstance(name, ast.JoinedStr | ast.BinOp):
        return asked is call
    of_module = "import_module" in ast.dump(thing)
    is_called = asked is not call and not isinstance(name, ast.Constant)
    return is_called or (of_module and asked is call)


def broad_excepts() -> list[str]:
    """Who catches everything and does not raise it again."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in code_files()
        for node in nodes_of(path)
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    ]


def is_broad(handler: ast.ExceptHandler) -> bool:
    names = {node.id for node in ast.walk(handler.type or ast.Name("all")) if hasattr(node, "id")}
    passes_on = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return bool(names & {"all", "Exception", "BaseException"}) and not passes_on


def _table() -> Iterator[str]:
    of_room: Mapping[str, list[Path]] = defaultdict(list)
    for path in code_files():
        of_room[room_of(path)].append(path)
    yield f"{'room':<30}{'files':>6}{'aim':>6}{'lines':>8}{'longest':>9}{'imports':>9}{'words':>7}"
    for rooms, aim in AIMS.items():
        for room in rooms:
            files = of_room[room]
            shown = f"{aim}" if len(rooms) == 1 else ""
            yield _row(room, files, shown)
        if len(rooms) > 1:
            yield _row(" + ".join(rooms), [p for room in rooms for p in of_room[room]], f"{aim}")
    daemon = [p for p in code_files() if p.is_relative_to(PACKAGES["edaphon"])]
    yield _row("daemon", daemon, "160")
    yield _row("all", code_files(), "280")
    for path in sorted(of_room["bottom"]):
        yield f"  in the bottom: {path.relative_to(ROOT)}"


def _row(room: str, files: list[Path], aim: str) -> str:
    sizes = [len(lines_of(path)) for path in files]
    words = sum(1 for path in files for _ in word_hits(path))
    imports = imports_per_file(files) if files else 0.0
    return (
        f"{room:<30}{len(files):>6}{aim:>6}{sum(sizes):>8}{max(sizes, default=0):>9}"
        f"{imports:>9.1f}{words:>7}"
    )


def _report() -> Iterator[str]:
    yield from _table()
    sizes = function_sizes(code_files())
    p95 = sizes[int(0.95 * len(sizes))]
    yield f"functions: median {statistics.median(sizes):g}, p95 {p95}, longest {sizes[-1]} lines"
    yield f"broad excepts: {len(broad_excepts())}; dispatches by getattr: {', '.join(dispatches())}"
    for path in code_files():
        if len(lines_of(path)) > 550:
            yield f"longer than 550 lines: {path.relative_to(ROOT)}"
    yield "class names that a package has twice:"
    yield from (f"  {name}: {', '.join(places)}" for name, places in double_classes().items())
    hits = [hit for path in all_files() for hit in word_hits(path)]
    by_file = Counter(hit.partition(":")[0] for hit in hits)
    yield f"words: {len(hits)} hits, `--words` lists them; by file:"
    yield from (f"  {n:>4} {name}" for name, n in by_file.most_common())


def _files() -> Iterator[str]:
    for path in code_files():
        first = (ast.get_docstring(tree_of(path)) or "-").splitlines()[0]
        yield f"{path.relative_to(ROOT)}  {first}"


def main() -> None:
    if "--list" in sys.argv:
        shown = _files()
    elif "--words" in sys.argv:
        shown = (hit for path in all_files() for hit in word_hits(path))
    else:
        shown = _report()
    for line in shown:
        print(line)


if __name__ == "__main__":
    main()
