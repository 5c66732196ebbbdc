"""Wrong facts of the golden files, through the rules of facts alone, without those of a command."""

from pathlib import Path

import pytest
from tests.daemon.config.test_wrong_files import CASES, cut_as, known_before, wanted

from edaphon.config import read_draft
from edaphon.facts import in_order, knowledge_conflicts, read_facts, written_ids
from edaphon.toml_input.lines import FACT_TABLES, read_document

FILE = "TMP/edaphon.toml"


def of_facts(case: Path) -> bool:
    keys = {line.split()[1].rstrip(":").split(".")[0] for line in wanted(case)}
    return keys <= set(FACT_TABLES) and not case.stem.startswith("evidence")


OF_FACTS = [case for case in CASES if of_facts(case)]


@pytest.mark.parametrize("case", OF_FACTS, ids=lambda path: path.stem)
def test_a_wrong_fact_is_answered_word_for_word(case: Path) -> None:
    document = read_document(FILE, case.read_text("utf-8"))
    draft = read_draft(document)
    rows, wrong = read_facts(document, alone=False)
    doubtful = written_ids(document) - {row.fact.id for row in rows}
    knowledge, sheets = known_before(case), draft.parts.sheets
    found = knowledge_conflicts(in_order(rows), knowledge, draft.outputs(), doubtful, sheets)
    stated = [str(c).removeprefix(f"{FILE}:") for c in sorted({*wrong, *found})]
    assert cut_as(wanted(case), stated) == wanted(case)
