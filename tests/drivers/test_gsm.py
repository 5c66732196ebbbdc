"""The GSM alphabet: code points, what others become, and where a text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.gsm import ascii_text, encoded, fitted


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("@", 0x00),
        ("£", 0x01),
        ("$", 0x02),
        ("\n", 0x0A),
        ("_", 0x11),
        ("ß", 0x1E),
        (" ", 0x20),
        ("A", 0x41),
        ("Ä", 0x5B),
        ("Ü", 0x5E),
        ("¿", 0x60),
        ("a", 0x61),
        ("ü", 0x7E),
        ("à", 0x7F),
    ],
)
def test_characters_have_the_codes_of_3gpp_ts_23_038(text: str, code: int) -> None:
    assert encoded(text) == bytes([code])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("18 °C ± 1 µS/cm²", "18 C +- 1 uS/cm2"),
        ("[a] {b} c|d \\ ~ ^ 5 €", "(a) (b) c/d / - ' 5 EUR"),
        ("„Łódź“ – façade…", '"Lodz" - facade...'),
        ("a\u0308 \u200b\x1b\x1a\x00", "ä "),
        ("≥ 5 → x", ">= 5 -> x"),
        ("почва 土", "????? ?"),
    ],
)
def test_other_characters_are_written_otherwise(text: str, written: str) -> None:
    assert fitted(text) == written.rstrip() or fitted(text) == written


@given(st.text(max_size=400), st.integers(10, 160))
def test_whatever_comes_fits_and_ends_no_entry(text: str, most: int) -> None:
    found = encoded(fitted(text, most))
    assert len(found) <= most
    assert not {0x1A, 0x1B, 0x0D} & set(found)
    assert max(found, default=0) < 0x80


def test_a_cut_text_says_so() -> None:
    assert fitted("x" * 160) == "x" * 160
    assert fitted("x" * 161) == "x" * 157 + "..."


def test_ascii_keeps_what_can_be_read() -> None:
    assert ascii_text("Größe Ü à Δ") == "Groesse Ue a "
