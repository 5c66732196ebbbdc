"""New facts hold no character that hides or acts; what is in a journal stays and can be read."""

from pathlib import Path

import pytest

from edaphon.facts import FactRow, Knowledge, fact_of, knowledge_conflicts
from edaphon.facts.files import from_payload, to_payload
from edaphon.model import EntryId
from edaphon.service.check import examine
from edaphon.toml_input.lines import read_document
from edaphon.toml_input.models import configuration_errors

HIDDEN = ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200e", "\u061c", "\u200b",
          "\ufeff", "\u00ad", "\u2028", "\U000e0041"]  # fmt: skip
MARK = {"kind": "mark", "id": "m", "channels": ["c"], "flag": 3, "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-02T00:00:00Z", "cause": "frost", "who": "K. Berg"}  # fmt: skip


def came(table: dict[str, object], knowledge: Knowledge | None = None) -> list[str]:
    row = FactRow(fact_of(table), "", "", "facts.toml", 1, {})
    found = knowledge_conflicts([row], knowledge or Knowledge())
    return [str(c) for c in found if "U+" in c.came]


@pytest.mark.parametrize("character", HIDDEN, ids=ascii)
@pytest.mark.parametrize("key", ["cause", "who"])
def test_a_new_fact_with_a_hidden_character_is_refused(key: str, character: str) -> None:
    (line,) = came(MARK | {key: f"a{character}b"})
    assert f"mark.{key}: U+{ord(character):04X} (" in line
    assert line.isprintable()
    assert "delete it" in line


@pytest.mark.parametrize("text", ["två\nrader\tmit 25 °C", "1\u202f234", "🌡️ 土壤", "нет"])
def test_lines_of_prose_and_letters_of_any_language_stand(text: str) -> None:
    assert came(MARK | {"cause": text}) == []


def test_a_name_has_no_lines() -> None:
    assert "U+000A" in came(MARK | {"who": "K.\nBerg"})[0]


def test_keys_inside_a_table_are_looked_at_too() -> None:
    table = {"kind": "calibration", "id": "k", "channel": "c", "curve": "polynomial",
             "parameters": {"c0": 0.0, "c1": 1.0}, "evidence": {"a\u202efdp.exe": "?"}}  # fmt: skip
    assert any("U+202E" in line for line in came(table))


def test_a_file_of_another_logger_can_be_named_whatever_it_is_called() -> None:
    table = {
        "kind": "replacement",
        "id": "r",
        "source": "file/x",
        "file": "/a\u202e.csv",
        "copy": 2,
    }
    assert came(table | {"file": "/a\u202e.csv"}) == []
    assert came(table | {"file": "/a", "why": "\u202e"}) != []


def test_what_a_journal_holds_is_read_and_no_file_of_it_is_refused_later() -> None:
    fact = fact_of(MARK | {"cause": "a\u202e\x1b[2J"})
    again = from_payload(to_payload(fact, "", "", "old.toml", "k")).fact
    assert again == fact
    knowledge = Knowledge().learn(EntryId(1, 1), again)
    assert came(MARK | {"cause": "a\u202e\x1b[2J"}, knowledge) == []


CONFIG = """site = { id = "s", name = "NAME" }
logger = { id = "l" }
storage = { folder = "/tmp/x" }
[model.own]
title = "TITLE"
engine = "ascii"
[model.own.frame]
layout = "\\u0002\\ufeff"
"""


@pytest.mark.parametrize("character", HIDDEN, ids=ascii)
def test_names_in_a_configuration_have_no_hidden_character(character: str) -> None:
    escaped = f"\\U{ord(character):08x}"
    for name in ("NAME", "TITLE"):
        text = CONFIG.replace(name, f"a{escaped}b")
        (line,) = map(str, configuration_errors(read_document("edaphon.toml", text)))
        assert f"U+{ord(character):04X}" in line
        assert line.isprintable()
    text = CONFIG.replace("model.own", f'model."a{escaped}b"')
    assert len(list(configuration_errors(read_document("edaphon.toml", text)))) >= 1


def test_what_goes_over_a_wire_may_hold_any_character() -> None:
    assert list(configuration_errors(read_document("edaphon.toml", CONFIG))) == []


def test_check_lists_them(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    file.write_text(CONFIG.replace("NAME", "a\\u202eb"), "utf-8")
    assert any("U+202E" in str(c) and c.key == "site.name" for c in examine([file]).config_errors)
