"""No text of a person hangs `check` or ends it with a traceback, however large or nested it is."""

import contextlib
import io
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.documents import ROOT

from edaphon.commands import main
from edaphon.printer import hidden
from edaphon.service.check import examine
from edaphon.toml_input.lines import ConfigError

HEAD = 'site = { id = "s" }\nlogger = { id = "l" }\nstorage = { folder = "/tmp/x" }\n'
CPU_S = 2.0  # of the processor: the machine of a test is shared
SHEET = (
    HEAD + '[model.x]\ntitle = "a"\nengine = "ascii"\nwarm_up_s = VALUE\n'
    '[[model.x.output]]\nname = "a"\nquantity = "soil_temperature"\nunit = "degC"\n'
)
MARK = 'flag = 3\nwho = "a"\ncause = "b"\nchannels = ["c"]\n'


def rows(n: int, row: str) -> str:
    return "".join(row.replace("%", str(at)) for at in range(n))


HOSTILE = {
    "lists in lists": "a = " + "[" * 100_000,
    "lists in lists, closed": "a = " + "[" * 900 + "]" * 900,
    "tables in tables": "a = " + "{a=" * 100_000,
    "tables of dotted keys": "site = " + ("{" + ".".join("a" * 30) + " = ") * 30,
    "dotted key": ".".join("a" * 100_000) + " = 1",
    "dotted keys": rows(300, "a%." + ".".join("a" * 900) + " = 1\n"),
    "quoted dotted key": ".".join(['"a"'] * 50_000) + " = 1",
    "dotted header": f"[{'.'.join('a' * 100_000)}]",
    "tables": rows(100_000, "[[plot]]\n"),
    "tables with names": rows(100_000, "[t%]\n"),
    "wrong rows": rows(2_900, '[[plot]]\nidd = "p%"\n'),
    "wrong sources": HEAD + rows(2_900, '[[source]]\nbus = "a"\nmodel = "x"\n'),
    "sources of no model": HEAD
    + rows(2_900, '[[source]]\nbus="a"\naddress="%"\nmodel="meter.teros13"\ninterval="10min"\n'),
    "keys": f"{HEAD}[web]\n" + rows(19_000, "k% = 1\n"),
    "top keys": rows(19_000, "k% = 1\n"),
    "one key again": "k = 1\n" * 19_000,
    "long line": f'site = "{"x" * 1_000_000}"',
    "long key": "x" * 900_000 + " = 1",
    "long quoted key": f'{HEAD}[web]\n"{"x" * 900_000}" = 1',
    "long name": f'[[plot]]\nid = "{"x" * 900_000}"\n',
    "no quotes": "a = b" + " " * 900_000 + "c",
    "no quotes, often": f'x = "{"y" * 900_000}"\n' + rows(300, "k% = b c\n"),
    "digits": "a = " + "9" * 1_000_000,
    "digits with underscores": "a = 9" + "_9" * 400_000,
    "hexadecimal digits": SHEET.replace("VALUE", "0x" + "f" * 900_000),
    "some hexadecimal digits": SHEET.replace("VALUE", "0x" + "f" * 390),
    "octal digits": SHEET.replace("VALUE", "0o" + "7" * 5_000),
    "float of no end": SHEET.replace("VALUE", "1e999999999"),
    "not a number": SHEET.replace("VALUE", "nan"),
    "NUL": 'a = "\0"',
    "mark twice": "\ufeff\ufeff" + HEAD,
    "list": f"a = [{'1,' * 400_000}]",
    "list of wrong elements": '[[mark]]\nid = "a"\nchannels = [' + "1," * 19_000 + "]",
    "late date": '[[plot]]\nid = "a"\nfrom = 9999-12-31T23:59:59.999-23:59\n',
    "early date": '[[plot]]\nid = "a"\nfrom = "0001-01-01T00:00:00+23:59"\n',
    "no date": '[[plot]]\nid = "a"\nfrom = 2026-99-99T00:00:00Z\n',
    "text without end": 'a = """' + "x\n" * 400_000,
    "quotes without end": 'a = "' + '\\"' * 400_000,
    "quotes in lines": "a = '" + "\n'" * 400_000,
    "brackets": "[" * 1_000_000,
    "one id": rows(2_900, '[[plot]]\nid = "p"\nsupersedes = "p"\nblock = "%"\n'),
    "overlaps": rows(2_900, '[[deployment]]\nid="d%"\nchannel="c"\nsource="x"\noutput="o"\n'),
    "unknown quantities": rows(2_900, f'[[channel]]\nid="d%"\nquantity="{"q" * 50}"\nunit="u"\n'),
    "revoked revocations": (
        f'[[mark]]\nid = "p"\n{MARK}[[mark]]\nid = "r0"\nsupersedes = "p"\n{MARK}'
        + "".join(f'[[revocation]]\nid="r{n}"\nof="r{n - 1}"\nwhy="a"\n' for n in range(1, 2_000))
        + f'[[mark]]\nid = "s"\nsupersedes = "p"\n{MARK}'
    ),
}  # fmt: skip


def judged(folder: Path, name: str, text: str) -> tuple[ConfigError, ...]:
    file = folder / name
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    begun = time.process_time()
    found = examine([file])
    spent = time.process_time() - begun
    assert spent < CPU_S, (name, spent)
    return found.config_errors


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_text_is_answered_at_once(tmp_path: Path, what: str) -> None:
    for name in ("edaphon.toml", "facts.toml"):
        found = judged(tmp_path, name, HOSTILE[what])
        assert found
        assert len(found) < 600
        assert all(len(str(one)) < 3_500 and one.right for one in found)


def test_a_station_of_a_thousand_channels_is_within_the_bounds(tmp_path: Path) -> None:
    text = '[[plot]]\nid = "p"\n' + rows(
        1_000,
        '[[channel]]\nid = "c%"\nplot = "p"\nquantity = "soil_temperature"\nunit = "degC"\n'
        'depth_cm = 5\nreplicate = %\n[[deployment]]\nid = "d%"\nchannel = "c%"\n'
        'source = "b/%"\noutput = "t"\nfrom = 2026-01-01T00:00:00Z\n',
    ).replace("replicate = 0\n", "replicate = 1001\n")
    file = tmp_path / "facts.toml"
    file.write_text(text)
    assert examine([file]).config_errors == ()


@pytest.mark.parametrize("how", ["held pipe", "pipe", "socket", "device", "sparse", "folder"])
def test_what_is_no_file_is_one_clear_error(tmp_path: Path, how: str) -> None:
    path = tmp_path / "facts.toml"
    with not_a_file(how, path) as shown:
        begun = time.process_time()
        code, err = checked(shown)
    assert time.process_time() - begun < CPU_S
    assert "Traceback" not in err
    assert (code, len(err.splitlines())) == (3, 2), err


@contextlib.contextmanager
def not_a_file(how: str, path: Path) -> Iterator[Path]:
    import socket

    with contextlib.ExitStack() as held:
        if "pipe" in how:
            os.mkfifo(path)
            if how == "held pipe":
                held.callback(os.close, os.open(path, os.O_RDWR))
        elif how == "socket":
            held.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        elif how == "sparse":
            with path.open("wb") as file:
                file.truncate(10 << 30)
        elif how == "folder":
            (path / "sub.toml").mkdir(parents=True)
        yield Path("/dev/zero") if how == "device" else path


def checked(path: Path) -> tuple[object, str]:
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(["check", str(path)])
    return end.value.code, err.buffer.getvalue().decode()  # type: ignore[attr-defined]


GOOD = [
    path.read_text("utf-8")
    for path in sorted((ROOT / "deploy" / "examples").rglob("*.toml"))
    + sorted((ROOT / "drivers" / "edaphon_drivers" / "models").glob("*.toml"))[::12]
]
PIECES = (
    "[" * 40, "{a=" * 40, ".a" * 60, "=", "'", '"', '"""', "\\", "\x00", "\x1b[2J", "\u202e", "\r",
    "\ufeff", "9" * 5000, "0x" + "f" * 600, "-1e400", "nan", "inf", "[]", "{}", "true", "#",
    "9999-12-31T23:59:59-23:59", "0000-01-01", "x" * 3000, '"' + "y" * 3000 + '" = 1\n', "\n",
    "[[plot]]\n", "[a.b.c]\n", "[[channel]]\nid = 1\n", "\ud800",
)  # fmt: skip


def mutated(chance: random.Random) -> str:
    text = chance.choice(GOOD)
    for _ in range(chance.randint(1, 5)):
        at, to = chance.randrange(len(text) + 1), chance.randrange(1, 80)
        piece = chance.choice([*PIECES, text[chance.randrange(len(text) + 1) :][:200]])
        how = chance.randrange(4)
        if how == 0:
            text = text[:at] + piece + text[at:]
        elif how == 1:
            text = text[:at] + piece + text[at + to :]
        elif how == 2:
            text = text[:at] + text[at + to :]
        else:  # a value becomes another
            lines = text.split("\n")
            n = chance.randrange(len(lines))
            lines[n] = lines[n].partition("=")[0] + "= " + piece
            text = "\n".join(lines)
    return text


def test_mutated_files_are_answered_and_never_hang(tmp_path: Path) -> None:
    """Seeded: the number in an assertion is that of the case."""
    n = 6_000 if os.environ.get("EDAPHON_FAULTS") == "long" else 300
    for case in range(n):
        text = mutated(random.Random(case))
        name = ("edaphon.toml", "facts.toml")[case % 2]
        try:
            found = judged(tmp_path, name, text)
        except Exception as error:
            raise AssertionError(f"case {case}: {error!r}") from error
        assert not any(hidden(c) for one in found for c in str(one)), case
