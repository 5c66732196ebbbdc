"""The one way to terminals and logs: what would act or hide there is spelled out."""

import ast
import io
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from tests.daemon.commands.calling import until
from tests.documents import ROOT

from edaphon import printer
from edaphon.alerts.model import Message, Occasion, Severity
from edaphon.service.socket import ControlServer
from edaphon.storage.client import ask

ACTING = [
    "\x00", "\x07", "\x08", "\r", "\x0b", "\x1b", "\x7f", "\x85", "\x9b", "\x9d",
    "\u061c", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2028", "\u2029",
    "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2060", "\u2066", "\u2067", "\u2068",
    "\u2069", "\u00ad", "\ufeff", "\ufff9", "\U000e0001", "\U000e0041", "\udc80", "\ud800",
    "\ufe0f", "\u115f", "\u3164", "\u034f", "\U000e0100",
]  # fmt: skip
HARMLESS = "P1 Föhre 25 °C µmol·m⁻²·s⁻¹ 土壤 почва تربة नमी 10\u00a0cm 1\u202f234 [bold]<b>&\\"


@pytest.mark.parametrize("character", ACTING, ids=ascii)
def test_what_acts_or_hides_is_spelled_in_ascii(character: str) -> None:
    shown = printer.visible(f"a{character}b")
    assert shown == "a" + character.encode("unicode_escape").decode() + "b"
    assert shown.isascii()
    assert shown.isprintable()


def test_every_control_and_format_character_of_unicode_is_spelled() -> None:
    left = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        and chr(code) in printer.visible(chr(code))
    ]
    assert left == []


def test_words_of_any_language_stay_as_they_are() -> None:
    assert printer.visible(HARMLESS) == HARMLESS


def test_a_line_stays_one_line_and_a_text_keeps_its_lines() -> None:
    assert printer.visible("a\nERROR b\tc") == r"a\nERROR b\tc"
    assert printer.visible_lines("a\nb\x1b[2J\n") == "a\nb\\x1b[2J\n"


def test_json_means_the_same_and_hides_nothing() -> None:
    table = {"name\u202e": "".join(ACTING[:-8]) + HARMLESS, "n": -1.5}
    text = printer.json_text(table)
    assert json.loads(text) == table
    assert not any(printer.hidden(c) for c in text if c != "\n")
    assert json.loads(printer.json_text(["\U000e0041"])) == ["\U000e0041"]


def test_a_name_that_is_no_utf8_can_be_printed_as_json() -> None:
    assert json.loads(printer.json_text({"file\udcff": ["a\udc80"]})) == {
        "file\\udcff": ["a\\udc80"]
    }


@pytest.mark.parametrize("cell", ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\r="])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert printer.as_data(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-1.5", "+0.25", "-3e-05", "12", "", "a=b", "2026-01-01T00:00Z"])
def test_a_number_stays_a_number(cell: str) -> None:
    assert printer.as_data(cell) == cell


def program(text: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", text], capture_output=True, check=False)


def test_what_python_and_libraries_print_is_visible_too() -> None:
    done = program(
        "from edaphon import printer\nprinter.guard(); printer.guard()\n"
        "import logging, sys\nlogging.getLogger('x').warning('w\\x1b]52;c;eA==\\x07\\nERROR y')\n"
        "sys.stdout.write('out\\u202e\\n')\nraise ValueError('v\\x9b2J\\x1b[31m')\n"
    )
    assert b"\x1b" not in done.stderr
    assert b"\xc2\x9b" not in done.stderr
    assert b"w\\x1b]52;c;eA==\\x07\\nERROR y\n" in done.stderr
    assert b"ValueError: v\\x9b2J\\x1b[31m\n" in done.stderr
    assert done.stdout == b"out\\u202e\n"


def test_a_terminal_without_the_letter_gets_its_number() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from edaphon import printer as p; p.guard(); p.show_line('µ')"],
        capture_output=True,
        check=False,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout == b"\\xb5\n"


def test_a_record_of_the_log_is_one_line_and_no_traceback_looks_like_one() -> None:
    done = program(
        "import logging\nfrom edaphon import printer\nprinter.log_to_stderr(logging.INFO)\n"
        "logging.info('file %s', 'a\\nERROR b')\n"
        "try:\n raise OSError('x\\nERROR forged\\x1b[2J')\n"
        "except OSError:\n logging.exception('read')\n"
    )
    first, second, *rest = done.stderr.decode().splitlines()
    assert first == r"INFO file a\nERROR b"
    assert second == "ERROR read"
    assert all(line.startswith("  ") for line in rest)
    assert r"  ERROR forged\x1b[2J" in rest


def test_bars_show_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    printer.guard()
    with printer.bars(["[bold]a\x1b]52;c;eA==\x07\u202e.csv"]) as bars:
        bars.update(bars.task_ids[0], total=2, completed=2)
    text = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert r"[bold]a\x1b]52;c;eA==\x07\u202e.csv" in text
    assert "\x1b]52" not in text
    assert "\u202e" not in text


def test_long_work_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    printer.guard()
    with printer.working("verifying") as show:
        show("sink [bold]a\x1b]52;c;eA==\x07\u202e", 3, 4)
    text = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert r"verifying sink [bold]a\x1b]52;c;eA==\x07\u202e" in text
    assert "\x1b]52" not in text
    assert "\u202e" not in text


def test_long_work_shows_nothing_in_a_pipe_and_loads_no_rich() -> None:
    code = (
        "import sys; from edaphon.printer import working\n"
        "with working('x') as show: show('y', 1, 2)\n"
        "sys.exit('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# Whoever adds another way out fails here: use edaphon.printer.
CALLS = {
    "print", "input", "pprint", "echo", "secho", "echo_via_pager", "Console", "Progress",
    "StreamHandler", "FileHandler", "basicConfig", "print_exc", "print_exception", "print_stack",
    "Handler", "SysLogHandler", "getwriter", "warn",
}  # fmt: skip
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__", "excepthook"}
ASKED = {"isatty", "flush", "fileno"}
ELSEWHERE = {
    "printer.py",
    "alerts/receivers/apprise_child.py",  # its stdout is a pipe to the service, in JSON
    "api.py",  # warnings of Python, in a scientist's own process
}


def ways_out(text: str) -> list[str]:
    """Where a text of code writes to a terminal by itself, as `line: what`."""
    tree = ast.parse(text)
    asked = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ASKED
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in CALLS or (name == "write" and _is_descriptor(node)):
                found.append(f"{node.lineno}: {name}")
            if name == "exit" and any(not _is_code(one) for one in node.args):
                found.append(f"{node.lineno}: exit with words")
        elif isinstance(node, ast.Attribute) and node.attr in STREAMS and id(node) not in asked:
            if isinstance(node.value, ast.Name) and node.value.id == "sys":
                found.append(f"{node.lineno}: sys.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in {"sys", "rich", "click"}:
            found.append(f"{node.lineno}: from {node.module}")
        elif isinstance(node, ast.ImportFrom) and node.module in {"typer", "logging"}:
            names = {one.name for one in node.names} & CALLS
            found += [f"{node.lineno}: {name}" for name in names]
    return found


def _is_descriptor(call: ast.Call) -> bool:
    """os.write(1, ...) or os.write(2, ...)."""
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and first.value in (1, 2)


def _is_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (
        isinstance(node, ast.Constant) and isinstance(node.value, int)
    )


def test_nothing_in_the_service_writes_to_a_terminal_but_the_printer() -> None:
    home = ROOT / "daemon" / "edaphon"
    found = {
        name: ways
        for path in sorted(home.rglob("*.py"))
        if (name := path.relative_to(home).as_posix()) not in ELSEWHERE
        if (ways := ways_out(path.read_text("utf-8")))
    }
    assert found == {}


def test_neither_drivers_nor_calibration_write_to_a_terminal() -> None:
    paths = [*(ROOT / "drivers").rglob("*.py"), *(ROOT / "calibration").rglob("*.py")]
    found = {path.name: ways for path in paths if (ways := ways_out(path.read_text("utf-8")))}
    assert len(found.pop("codec_child.py")) == 1  # its standard output is a pipe to the service
    assert found == {}


@pytest.mark.parametrize(
    "code",
    [
        "print(1)", "typer.echo(1)", "click.secho(1)", "sys.stdout.write(1)", "os.write(2, b'')",
        "out = sys.stderr", "sys.excepthook = f", "logging.StreamHandler()", "Console()",
        "traceback.print_exc()", "from rich import print", "sys.exit('words')", "input('?')",
    ],
)  # fmt: skip
def test_the_scan_sees_every_kind_of_way(code: str) -> None:
    assert ways_out(code) != []


@pytest.mark.parametrize("character", ACTING, ids=ascii)
def test_no_message_to_a_person_holds_such_a_character(character: str) -> None:
    text = f"a{character}b\nsecond"
    made = Message(Occasion.OPENED, 1, Severity.LOST, text, text, text, 0)
    whole = made.title + made.short.replace("\n", "") + made.text.replace("\n", "")
    assert not any(map(printer.hidden, whole))
    assert made.text.endswith("b\nsecond")
    assert made.title.endswith("b second")


def test_the_socket_answers_about_a_file_whose_name_is_no_utf8(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "c.sock", lambda asked: {"file": asked["file"], "n": [1.5]})
    try:
        until(lambda: (tmp_path / "c.sock").exists())
        answer = ask(tmp_path / "c.sock", {"verb": "x", "file": "a\udcff"})
        assert answer == {"file": "a\\udcff", "n": [1.5]}
    finally:
        server.stop()
