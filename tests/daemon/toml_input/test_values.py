"""Texts that become typed values, and back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from edaphon.clock import instant_text
from edaphon.toml_input.models import came_hidden
from edaphon.toml_input.values import (
    Depth,
    Secret,
    about_text,
    duration_ns,
    duration_text,
    instant_ns,
)

NS = 10**9


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("10min", 600 * NS),
        ("30 s", 30 * NS),
        ("1h", 3600 * NS),
        ("250ms", NS // 4),
        ("2d", 172800 * NS),
    ],
)
def test_a_duration_is_a_number_with_its_unit(text: str, ns: int) -> None:
    assert duration_ns(text) == ns


@pytest.mark.parametrize(
    "text",
    ["10", "10 minutes", "", "-5s", "0s", "1.5h", "min", 600, "٣s", "1_0s", "36526d", "999999999d"],
)
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        duration_ns(text)


@given(st.integers(1, 36_525), st.sampled_from(["ms", "s", "min", "h", "d"]))
def test_a_duration_survives_being_written(number: int, unit: str) -> None:
    ns = duration_ns(f"{number}{unit}")
    assert duration_ns(duration_text(ns)) == ns


@given(st.integers(-(10**18), 4 * 10**18))
def test_an_instant_survives_being_written_to_the_nanosecond(ns: int) -> None:
    assert instant_ns(instant_text(ns)) == ns


def test_an_offset_is_taken_off() -> None:
    assert instant_text(instant_ns("2026-04-01T05:00:00-07:00")) == "2026-04-01T12:00:00Z"
    assert instant_text(instant_ns("2026-04-01 12:00:00.250Z")) == "2026-04-01T12:00:00.25Z"


@pytest.mark.parametrize("text", ["2026-04-01T12:00:00", "2026-04-01", "2026-02-30T12:00:00Z", 5])
def test_a_time_without_offset_or_sense_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        instant_ns(text)


@pytest.mark.parametrize(
    ("written", "label"),
    [(5, "5"), (5.0, "5"), ("5.00", "5"), (7.5, "7.5"), ("7.50", "7.5"), (-2, "-2"), (-0.0, "0")],
)
def test_a_depth_has_one_spelling(written: object, label: str) -> None:
    assert TypeAdapter(Depth).validate_python(written) == label


@pytest.mark.parametrize("written", ["5 cm", "deep", "5-10", True, None, 123456])
def test_no_other_text_is_a_depth(written: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Depth).validate_python(written)


def test_a_secret_is_read_late_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("canary-1\n", "utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("EDAPHON_TEST_TOKEN", "canary-2")
    from_file = Secret.model_validate({"file": str(file)})
    from_env = Secret.model_validate({"env": "EDAPHON_TEST_TOKEN"})
    assert (from_file.reveal(), from_env.reveal()) == ("canary-1", "canary-2")
    assert from_file.problem() == from_env.problem() == ""
    shown = f"{from_file!r}{from_env}{from_file.model_dump_json()}{from_env.model_dump()}"
    assert "canary" not in shown


def test_a_secret_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    assert "not set" in Secret(env="EDAPHON_NEVER_SET").problem()
    assert "can't be read" in Secret(file=tmp_path / "absent").problem()


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (600 * 10**9, "10min"),
        (1_200_688_373_803, "about 20min"),
        (86_399_999_999_999, "about 24h"),
        (86_400 * 10**9 * 1500, "1500d"),
        (999_999_999, "about 1000ms"),
        (1, "1e-06ms"),
        (-1_500_000_001, "about -1.5s"),
    ],
)
def test_a_measured_duration_is_read_to_three_digits(ns: int, text: str) -> None:
    assert about_text(ns) == text


@pytest.mark.parametrize(
    ("ns", "text"), [(1_500_001, "1500001ns"), (2500, "2500ns"), (3000, "3us")]
)
def test_a_duration_of_no_whole_milliseconds_has_a_text(ns: int, text: str) -> None:
    assert duration_text(ns) == text


@pytest.mark.parametrize(
    ("text", "lines", "character"),
    [
        ("soil 5 cm, 20 °C, Ω, ñ", False, ""),
        ("two\nlines\tof it", True, ""),
        ("two\nlines", False, "U+000A (a control character)"),
        ("two\nlines\0", True, "U+0000 (a control character)"),
        ("a\u202eb", True, "U+202E (right-to-left override)"),
        ("a\u200bb\n", False, "U+200B (zero width space)"),
        ("e\u0301", False, ""),  # an accent of its own is a letter's
    ],
)
def test_a_character_that_nobody_sees_is_named(text: str, lines: bool, character: str) -> None:
    came = came_hidden(text, lines=lines)
    assert came.partition(" in ")[0] == character
