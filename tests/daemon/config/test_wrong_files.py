"""Golden tests: what `edaphon check` says of each wrong file in `wrong/`, word for word.

A case ends in the complaints it must give, one `#= LINE  key: came; right` each; an
`...` at its end stands for lists that grow. TMP stands for a
folder with an open and an empty secret; CASE.known.toml holds facts that were applied before.
"""

from pathlib import Path

import pytest

from edaphon.facts import Knowledge, read_facts
from edaphon.model import EntryId
from edaphon.service.check import examine
from edaphon.toml_input.lines import read_document

FOLDER = Path(__file__).parent / "wrong"
CASES = sorted(p for p in FOLDER.glob("*.toml") if not p.name.endswith(".known.toml"))


def known_before(case: Path) -> Knowledge:
    path = case.with_suffix(".known.toml")
    knowledge = Knowledge()
    if path.exists():
        rows, config_errors = read_facts(read_document(path.name, path.read_text("utf-8")))
        assert config_errors == []
        for n, row in enumerate(rows, start=1):
            knowledge = knowledge.learn(EntryId(1, n), row.fact)
    return knowledge


def complaints_of(case: Path, folder: Path) -> list[str]:
    (folder / "open-secret").write_text("x", "utf-8")
    (folder / "open-secret").chmod(0o644)
    (folder / "empty-secret").write_text("", "utf-8")
    (folder / "empty-secret").chmod(0o600)
    file = folder / "edaphon.toml"
    file.write_text(case.read_text("utf-8").replace("TMP", str(folder)), "utf-8")
    found = examine([file], known_before(case))
    return [
        str(c).removeprefix(f"{file}:").replace(str(folder), "TMP") for c in found.config_errors
    ]


def wanted(case: Path) -> list[str]:
    lines = case.read_text("utf-8").splitlines()
    return [line.removeprefix("#= ") for line in lines if line.startswith("#= ")]


def cut_as(want: list[str], stated: list[str]) -> list[str]:
    cut = [
        s[: len(w) - 3] + "..." if w.endswith("...") else s
        for s, w in zip(stated, want, strict=False)
    ]
    return cut + stated[len(want) :]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_wrong_file_is_answered_word_for_word(case: Path, tmp_path: Path) -> None:
    assert wanted(case), "a wrong file without a complaint"
    stated, want = complaints_of(case, tmp_path), wanted(case)
    assert cut_as(want, stated) == want
    assert "geheim42" not in "".join(stated), "a complaint repeats a secret"


def test_there_are_wrong_files_of_every_sort() -> None:
    assert len(CASES) >= 100
