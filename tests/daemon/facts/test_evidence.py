"""The files that facts rest on: there, readable, and the ones that were meant."""

import hashlib
from pathlib import Path

import pytest

from edaphon.facts import (
    FactRow,
    Knowledge,
    evidence_errors,
    evidence_files,
    knowledge_conflicts,
    read_facts,
)
from edaphon.model import EntryId
from edaphon.service.check import examine
from edaphon.toml_input.lines import read_document

CONTENT = b"%PDF a certificate"
HASH = hashlib.sha256(CONTENT).hexdigest()


def written(folder: Path, evidence: str) -> Path:
    (folder / "scans").mkdir(exist_ok=True)
    (folder / "scans" / "c.pdf").write_bytes(CONTENT)
    file = folder / "cal.toml"
    row = '[[calibration]]\nid = "c1"\nchannel = "x"\ncurve = "polynomial"\n'
    file.write_text(f"{row}parameters = {{ c0 = 0.1, c1 = 1.0 }}\nevidence = {evidence}\n", "utf-8")
    return file


def rows(file: Path) -> tuple[FactRow, ...]:
    found, config_errors = read_facts(read_document(str(file), file.read_text("utf-8")))
    assert config_errors == []
    return found


def test_a_file_with_its_hash_is_right_and_is_shown_to_who_copies_it(tmp_path):
    file = written(tmp_path, f'{{ "scans/c.pdf" = "{HASH}" }}')
    assert evidence_errors(rows(file), Knowledge()) == []
    (named,) = evidence_files(rows(file))
    assert (named.path, named.sha256) == (tmp_path / "scans" / "c.pdf", HASH)
    assert examine([file]).config_errors == ()


@pytest.mark.parametrize("placeholder", ["?", ""])
def test_a_hash_that_is_still_to_be_written_is_reported_once(tmp_path, placeholder):
    file = written(tmp_path, f'{{ "scans/c.pdf" = "{placeholder}" }}')
    (only,) = examine([file]).config_errors
    assert (only.line, only.came) == (6, '"scans/c.pdf" has no hash yet')
    assert only.right == f'"scans/c.pdf" = "{HASH}"'
    assert len(knowledge_conflicts(rows(file), Knowledge())) == 1


def test_of_another_content_the_actual_hash_is_what_is_right(tmp_path):
    file = written(tmp_path, '{ "scans/c.pdf" = "%s" }' % ("0" * 64))
    (only,) = examine([file]).config_errors
    assert HASH in only.right


@pytest.mark.parametrize(
    ("name", "came"),
    [("c.pdf", '"c.pdf" is not there'), ("scans", '"scans" can\'t be read (a folder)')],
)
def test_a_missing_file_is_shown_with_the_folder_that_was_looked_in(tmp_path, name, came):
    file = written(tmp_path, f'{{ "{name}" = "{HASH}" }}')
    (only,) = examine([file]).config_errors
    assert only.came == came
    assert str(tmp_path) in only.right


def test_what_was_applied_needs_its_files_no_more(tmp_path):
    found = rows(written(tmp_path, f'{{ "gone.pdf" = "{HASH}" }}'))
    knowledge = Knowledge().learn(EntryId(1, 1), found[0].fact)
    assert evidence_errors(found, knowledge) == []
    assert evidence_errors(found, Knowledge())


def test_facts_without_evidence_name_no_files(tmp_path):
    file = tmp_path / "f.toml"
    file.write_text('[[plot]]\nid = "P1"\n', "utf-8")
    assert list(evidence_files(rows(file))) == []
