"""However a file is spoilt, `check` answers with complaints that have a line, never a traceback."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents import ROOT

from edaphon.service.check import examine

EXAMPLE = ROOT / "deploy" / "examples" / "forest-plot"
TEXT = "".join(
    path.read_text("utf-8")
    for path in (EXAMPLE / "edaphon.toml", *sorted((EXAMPLE / "facts").glob("*.toml")))
)
LINES = TEXT.splitlines()
OTHERS = (
    '""', "0", "-1", "1e400", "nan", "true", "[]", "{}", "[[1], [2]]", '{ a = { b = [1] } }',
    "1979-05-27", "07:32:00", "2026-04-01T12:00:00Z", '"\\u0000"', "A84041B2C1D5E6F7", "'''", "=",
    '["a", 1, {}]', '"x\\ny"', "9223372036854775808", '{ env = 1 }', '{ file = "/proc/self/mem" }',
)  # fmt: skip
HEADERS = (
    "[site]",
    "[[site]]",
    "[source]",
    "[[source.field]]",
    "[channel]",
    "[a.b.c]",
    "[bus]",
    "[",
)


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(tempfile.mkdtemp())


def spoil(line: str, other: str, header: str, how: int) -> str:
    key, equals, _ = line.partition("=")
    if equals and how % 3 == 0:
        return f"{key}= {other}"
    return {0: "", 1: header, 2: f"{line}\n{line}"}[how % 3]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.sampled_from(OTHERS),
            st.sampled_from(HEADERS),
            st.integers(0, 11),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_spoilt_file_is_answered_with_lines(
    folder: Path, changes: list[tuple[int, str, str, int]]
) -> None:
    lines = list(LINES)
    for at, other, header, how in changes:
        lines[at] = spoil(lines[at], other, header, how)
    file = folder / "edaphon.toml"
    file.write_text("\n".join(lines), "utf-8")
    found = examine([file])
    count = len("\n".join(lines).splitlines())
    assert all(1 <= c.line <= count + 1 and c.right for c in found.config_errors)
    assert (found.config is None) <= bool(found.config_errors)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_answered(folder: Path, data: bytes) -> None:
    file = folder / "edaphon.toml"
    file.write_bytes(data)
    assert examine([file]).config_errors
