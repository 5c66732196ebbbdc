"""What people read of a flood: while it lasts and for a week."""

from types import SimpleNamespace

import pytest

from edaphon.acquire.budget import COUNTED, Flood
from edaphon.acquire.slots import FLOOD, Gap
from edaphon.derive.decode import Sources
from edaphon.derive.pipeline import Pipeline
from edaphon.derive.plan import Plan
from edaphon.derive.state import PipelineState
from edaphon.explain.build import Absent, gap_at
from edaphon.journal import Entry, Kind
from edaphon.model import EntryId
from edaphon.service.notes import REFUSED_IS_A_PROBLEM_NS, flood_problems, flood_rows, flood_text

FIRST_NS, LAST_NS = 1_772_323_200_000_000_000, 1_772_323_260_000_000_000
FLOODS = {"local": Flood(3000, 95_000_000, FIRST_NS, LAST_NS, 4), "gas/0": Flood(7, 70, 1, 2)}


def test_a_flood_is_a_problem_for_a_week_and_says_what_to_do_about_a_source_or_a_broker():
    later = LAST_NS + REFUSED_IS_A_PROBLEM_NS
    ((name, words),) = flood_problems(FLOODS, {"local": None}, later - 1)
    assert name == "local"
    assert "3000 items, 95000000 bytes, 4 of them came again" in words
    assert "from 2026-03-01T00:00:00Z to 2026-03-01T00:01:00Z" in words
    assert "topics" in words
    assert list(flood_problems(FLOODS, {"local": None}, later)) == []
    ((_, words), _) = flood_problems(FLOODS, {"local": None}, 3)
    assert "source_mb_per_day" in words


def test_status_lists_all_floods_however_old():
    texts = list(map(flood_text, flood_rows(FLOODS)))
    assert texts[0].startswith("not kept, above the budget of gas/0: 7 items, 70 bytes, from ")
    assert len(texts) == 2


def history(source: str) -> SimpleNamespace:
    """One flood of the source, and a channel that local/a feeds."""
    gap = Gap(FLOOD, FIRST_NS, LAST_NS, 7, COUNTED, "700 bytes; SHA-256 ab")
    entry = Entry(Kind.GAP, LAST_NS, 0, "boot", source, gap.payload())
    deployed = SimpleNamespace(channel="c", source="local/a", covers=lambda _: True)
    knowledge = SimpleNamespace(deployments_at=lambda channel, time_ns: (deployed,))
    return SimpleNamespace(gaps=((EntryId(1, 1), entry),), knowledge=knowledge)


@pytest.mark.parametrize(("source", "found"), [("local/a", True), ("local", False)])
def test_explain_names_the_flood_of_a_source_and_not_that_of_strangers(source, found):
    words = gap_at(history(source), Absent("c", FIRST_NS + 30 * 10**9, 10**9))
    assert ("flood" in words and "7 items" in words) is found


def test_a_flood_misses_no_slots():
    line = Pipeline(PipelineState(), Plan(), Sources(), lambda _: ())
    line.step(history("local").gaps)
    assert line.state.gaps == {}
