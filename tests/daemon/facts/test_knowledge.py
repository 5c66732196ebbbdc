"""What stands of all that was entered: superseding, revoking, and what was known when."""

from typing import Any

import pytest

from edaphon.facts import Calibration, Deployment, Knowledge, fact_of
from edaphon.facts.model import open_steps
from edaphon.model import EntryId


def knowledge(*tables: dict[str, Any]) -> Knowledge:
    return Knowledge.of((EntryId(1, n), table) for n, table in enumerate(tables, start=1))


def deployment(id: str, supersedes: str | None = None) -> dict[str, Any]:
    table = {"kind": "deployment", "id": id, "channel": "c", "source": "b/0", "output": "o"}
    return table if supersedes is None else {**table, "supersedes": supersedes}


def revocation(of: str) -> dict[str, Any]:
    return {"kind": "revocation", "id": f"not-{of}", "of": of, "why": "typo"}


def channel(depth: str, **more: Any) -> dict[str, Any]:
    row = {"kind": "channel", "id": "c", "quantity": "soil_temperature", "unit": "degC"}
    return {**row, "depth_cm": depth, **more}


def standing(known: Knowledge) -> list[str]:
    return [fact.id for fact in known.deployments]


def test_a_superseded_fact_no_longer_stands() -> None:
    assert standing(knowledge(deployment("a"), deployment("b", "a"))) == ["b"]


def test_a_chain_of_corrections_leaves_the_last() -> None:
    known = knowledge(deployment("a"), deployment("b", "a"), deployment("c", "b"))
    assert standing(known) == ["c"]


def test_revoking_a_correction_brings_back_what_it_corrected() -> None:
    known = knowledge(deployment("a"), deployment("b", "a"), revocation("b"))
    assert standing(known) == ["a"]


def test_revoking_the_last_of_a_chain_brings_back_the_one_before_only() -> None:
    known = knowledge(deployment("a"), deployment("b", "a"), deployment("c", "b"), revocation("c"))
    assert standing(known) == ["b"]


def test_a_revoked_revocation_changes_nothing() -> None:
    known = knowledge(deployment("a"), revocation("a"), revocation("not-a"))
    assert standing(known) == ["a"]


def test_a_thing_is_as_it_was_described_last_and_one_revocation_goes_one_back() -> None:
    limits = {"range": {"fail": [-30, 60]}}
    renewed = channel("5", checks=limits, supersedes="c")
    known = knowledge(channel("5"), renewed)
    assert known.channels["c"].limits() == {"range": {"fail_lowest": -30, "fail_highest": 60}}
    back = knowledge(channel("5"), renewed, revocation("c"))
    assert back.channels["c"].checks == {}


def test_two_revocations_take_a_thing_two_descriptions_back() -> None:
    limits = [{"range": {"fail": [-30, high]}} for high in (40, 50, 60)]
    first = channel("5", checks=limits[0])
    later = [channel("5", checks=own, supersedes="c") for own in limits[1:]]
    again = {**revocation("c"), "id": "not-c-again"}
    rows = (first, *later, revocation("c"), again)
    found = [knowledge(*rows[:n]).channels["c"].limits() for n in (3, 4, 5)]
    assert [own["range"]["fail_highest"] for own in found] == [60, 50, 40]


def test_a_fact_revoked_twice_takes_nothing_else_with_it() -> None:
    again = {**revocation("b"), "id": "not-b-again"}
    known = knowledge(deployment("a"), deployment("b", "a"), revocation("b"), again)
    assert standing(known) == ["a"]


def test_who_stands_for_a_fact_is_the_one_that_put_it_right_last_and_was_not_taken_back() -> None:
    rows = [deployment("a"), deployment("b", "a"), deployment("c", "b"), deployment("d", "a")]

    def stands(*more: dict[str, Any]) -> str | None:
        found = knowledge(*rows, *more).standing("a")
        return found.id if found else None

    assert stands() == "d"
    assert stands(revocation("d")) == "c"
    assert stands(revocation("d"), revocation("c")) == "b"
    assert stands(*map(revocation, "dcb")) == "a"
    assert stands(*map(revocation, "dcba")) is None
    assert knowledge(*rows).standing("x") is None


def test_what_was_known_then_stays_answerable() -> None:
    known = knowledge(deployment("a"), deployment("b", "a"), revocation("b"))
    assert [standing(known.as_known_at(EntryId(1, n))) for n in (0, 1, 2, 3)] == [
        [],
        ["a"],
        ["b"],
        ["a"],
    ]


def test_learning_leaves_the_former_knowledge_as_it_was() -> None:
    before = knowledge(deployment("a"))
    assert standing(before) == ["a"]
    fact = fact_of(deployment("b", "a"))
    after = before.learn(EntryId(1, 2), fact)
    assert (standing(before), standing(after)) == (["a"], ["b"])


def test_entries_may_come_in_any_order() -> None:
    rows = [(EntryId(2, 1), deployment("b", "a")), (EntryId(1, 9), deployment("a"))]
    assert standing(Knowledge.of(rows)) == ["b"]


def test_a_channel_lies_in_the_plot_of_its_profile() -> None:
    known = knowledge(
        {"kind": "plot", "id": "P1"},
        {"kind": "profile", "id": "pit", "plot": "P1"},
        channel("7.5", profile="pit"),
    )
    noun = known.channel("c", "whs")
    assert (noun.site, noun.plot, noun.profile, noun.depth_cm) == ("whs", "P1", "pit", "7.5")
    with pytest.raises(KeyError):
        known.channel("other", "whs")


def test_periods_are_half_open() -> None:
    row = {"id": "d", "channel": "c", "source": "b/0", "output": "o"}
    first = Deployment.model_validate({**row, "to": "2026-01-01T00:00:00Z"})
    second = Deployment.model_validate({**row, "from": "2026-01-01T00:00:00Z"})
    border = second.from_ns or 0
    assert not first.overlaps(second)
    assert (first.covers(border), second.covers(border)) == (False, True)


def replacement(id: str, copy: int, **more: Any) -> dict[str, Any]:
    return {"kind": "replacement", "id": id, "source": "file/x", "file": "/a", "copy": copy, **more}


def test_the_newest_copy_that_is_in_force_replaces_the_earlier_ones() -> None:
    facts = (replacement("a", 3), replacement("b", 2), replacement("c", 5, file="/b"))
    assert knowledge(*facts).replacements == {("file/x", "/a"): 3, ("file/x", "/b"): 5}
    assert knowledge(*facts, revocation("a")).replacements[("file/x", "/a")] == 2


def test_a_first_copy_replaces_nothing() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        fact_of(replacement("a", 1))


YEARS = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
BEGIN, END = (1_767_225_600 * 10**9, 1_798_761_600 * 10**9)


def horizon(id: str, top: float, bottom: float, **more: Any) -> dict[str, Any]:
    return {
        "kind": "horizon", "id": id, "profile": "p", "top_cm": top, "bottom_cm": bottom, **more
    }  # fmt: skip


def test_what_lies_on_the_border_of_two_layers_is_in_the_lower_one() -> None:
    known = knowledge(horizon("a", 0, 20), horizon("b", 20, 50), horizon("c", 50, 80, **YEARS))
    found = [known.horizon("p", depth, BEGIN) for depth in (0, 19.9, 20, 50, 79.9, 80)]
    assert [one and one.id for one in found] == ["a", "a", "b", "c", "c", None]
    assert known.horizon("other", 10, BEGIN) is None
    assert known.horizon("p", 60, BEGIN - 1) is known.horizon("p", 60, END) is None


@pytest.mark.parametrize(
    ("stated", "pores"),
    [
        ({}, None),
        ({"porosity": 0.5}, 0.5),
        ({"porosity": 0.5, "bulk_density": 1.3}, 0.5),
        ({"bulk_density": 1.325}, 0.5),
        ({"bulk_density": 2.65}, None),  # as dense as quartz: no pores, so it can't be
        ({"bulk_density": 0.7, "organic": True}, 0.5),
    ],
)
def test_pores_are_those_stated_or_what_the_solids_leave(
    stated: dict[str, Any], pores: float | None
) -> None:
    (one,) = knowledge(horizon("a", 0, 20, **stated)).horizons
    assert one.pores == (pores if pores is None else pytest.approx(pores))


def test_a_deployment_counts_for_its_channel_in_its_time() -> None:
    other = {**deployment("o"), "channel": "d"}
    known = knowledge({**deployment("a"), **YEARS}, other)
    at = [known.deployments_at("c", ns) for ns in (BEGIN - 1, BEGIN, END - 1, END)]
    assert [[one.id for one in found] for found in at] == [[], ["a"], ["a"], []]


def test_a_step_is_open_where_it_has_calibrations_and_none_covers_the_time() -> None:
    def of(id: str, **more: Any) -> dict[str, Any]:
        own = {"curve": "polynomial", "parameters": {"c0": 0.0, "c1": 1.0}}
        return {"kind": "calibration", "id": id, **own, **more}

    known = knowledge(
        of("a", channel="c", **YEARS),
        of("b", sensor="s", output="o", **YEARS),
        of("c", sensor="s", output="o", to=YEARS["from"]),
        of("d", sensor="s", output="o", step=2, **YEARS),
    )

    def opened(time_ns: int, maker: bool = False) -> list[list[str]]:
        of_place: tuple[Calibration, ...] = known.calibrations
        return [[one.id for one in own] for own in open_steps(of_place, time_ns, maker)]

    assert opened(BEGIN) == []
    assert opened(BEGIN - 1) == [["d"], ["a"]]
    assert opened(END) == [["b", "c"], ["d"], ["a"]]
    assert opened(END, maker=True) == [["a"]]
