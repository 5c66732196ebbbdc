"""Rows that are judged together, and what a channel lacks whose package is gone."""

import pytest

from edaphon.derive.pipeline import groups_of
from edaphon.derive.segments import missing_parts
from edaphon.facts import Calibration, ChannelFact, Deployment, Knowledge
from edaphon.model import DEMOTED, EntryId


@pytest.mark.parametrize("demoting", [False, True])
@pytest.mark.parametrize("flag", [0, DEMOTED])
def test_one_row_is_demoted_where_it_is_and_another_of_the_batch_is_no_reason(
    demoting: bool, flag: int
) -> None:
    (group,) = groups_of([(10, 10, 1.5, 7, flag, 0)], {}, demoting)
    assert group.demoted is (demoting and bool(flag))


def knowledge(*facts: object) -> Knowledge:
    found = Knowledge()
    for n, fact in enumerate(facts, 1):
        found = found.learn(EntryId(1, n), fact)  # type: ignore[arg-type]
    return found


def channel(id: str, **more: object) -> ChannelFact:
    about = {"id": id, "quantity": "soil_temperature", "unit": "degC", **more}
    return ChannelFact.model_validate(about)


def test_a_channel_lacks_what_its_source_lacks_though_all_curves_are_there() -> None:
    feeds = Deployment.model_validate(
        {"id": "d", "channel": "a", "source": "line/0", "output": "temperature"}
    )
    known = knowledge(channel("a"), channel("b"), feeds)
    assert missing_parts(known, {}) == {}
    assert missing_parts(known, {"line/0": "engine x"}) == {"a": "engine x"}


def test_a_check_and_a_curve_that_no_package_gives_are_named() -> None:
    of_a = Deployment.model_validate(
        {"id": "d", "channel": "a", "source": "line/0", "output": "temperature"}
    )
    bent = Calibration.model_construct(
        id="c", channel="a", sensor=None, output=None, curve="bend", second=None,
        from_ns=None, to_ns=None, supersedes=None,
    )  # fmt: skip
    checked = channel("b", checks={"round": {"step": 1.0}})
    assert missing_parts(knowledge(channel("a"), of_a, bent), {}) == {"a": "curve bend"}
    found = missing_parts(knowledge(channel("a"), checked, of_a, bent), {})
    assert found == {"a": "curve bend", "b": "check round"}
