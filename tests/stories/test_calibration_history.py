"""Crossed cables, a swap in the rain, calibrations put right a year late: the whole line, real.

What is expected is worked out by `crossed`, which knows nothing of the product.
"""

import json
from collections.abc import Iterator
from operator import attrgetter

import pytest
from tests.programs import Influx1
from tests.stories import crossed_facts as facts
from tests.stories.crossed import (
    BATH,
    CHANNELS,
    CONFIRMED,
    FOUND,
    INSTALLED,
    MIDDLE,
    RECOVERED,
    REPORTED,
    RIGHTED,
    SERIALS,
    SLOTS,
    SWAPPED,
    Belief,
    N,
    answer,
    believed,
    hanging,
    instant,
    names_of,
)
from tests.stories.crossed_life import ASKED, Row, Story

pytestmark = pytest.mark.timeout(240)  # the first test pays for the life of the plot

RELEASE = "before-correction"
SECOND = 1 / 28800  # of a slot
TOLD_BY = REPORTED  # slots until the evening of day 402

# Which rows became others with each belief; all else must stay as it was, bit for bit.
PUT_RIGHT: dict[Belief, dict[str, range]] = {
    Belief.SWAP: dict.fromkeys(("P1-vwc-5", "P1-temp-5"), range(SWAPPED, N)),
    Belief.CROSSED: dict.fromkeys(CHANNELS, range(RIGHTED)),
    Belief.SOIL: {"P1-vwc-20": range(N)},
    Belief.DRIFT: {"P1-temp-5": range(RIGHTED), "P1-temp-20": range(RIGHTED, N)},
    Belief.CHECKED: {"P1-temp-20": range(FOUND, N)},
}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The plot after all that was put right, while the service still runs."""
    with Influx1(tmp_path_factory.mktemp("influx")) as server:
        reported = Story(tmp_path_factory.mktemp("station"), server)
        try:
            with reported.life(TOLD_BY):
                reported.look(Belief.FIRST)
            with reported.life(REPORTED + 1):
                reported.pass_to(REPORTED + 0.5)
                reported.learn(Belief.SWAP, facts.SWAP, "apply")
            with reported.life(N):
                reported.look(Belief.SWAP)
                reported.released = reported.station.json("release", RELEASE)
            reported.pass_to(N + 300)
            with reported.life(N):
                reported.learn(Belief.CROSSED, facts.CROSSED, "apply")
                reported.look(Belief.CROSSED)
                reported.pass_to(N + 301)
                reported.learn(Belief.SOIL, facts.SOIL, "cal", "apply")
                reported.look(Belief.SOIL)
            reported.pass_to(N + 330)
            with reported.life(N):
                reported.learn(Belief.DRIFT, facts.DRIFT, "cal", "apply")
                reported.look(Belief.DRIFT)
                reported.pass_to(N + 331)
                reported.learn(Belief.CHECKED, facts.CHECKED, "cal", "apply")
                reported.look(Belief.CHECKED)
                yield reported
        finally:
            reported.stop()


@pytest.mark.parametrize("belief", Belief, ids=attrgetter("name"))
@pytest.mark.parametrize("channel", CHANNELS)
def test_series_and_influxdb_are_what_follows_from_what_was_known(
    story: Story, belief: Belief, channel: str
) -> None:
    expected = dict(believed(channel, belief, TOLD_BY if belief is Belief.FIRST else N))
    rows, points = story.moments[belief].rows(channel), story.moments[belief].points[channel]
    assert list(rows) == list(expected)
    assert list(points) == [SLOTS[n] for n in expected]
    for n, wanted in expected.items():
        row, point = rows[n], points[SLOTS[n]]
        assert point["raw"] == wanted.raw, n
        for name in ("value", "u_random", "u_systematic"):
            assert row[name] == pytest.approx(getattr(wanted, name), rel=1e-12, abs=0), (name, n)
        assert row["flag"] == wanted.flag, n
        for name in ("value", "u_random", "u_systematic", "flag", "derivation"):
            assert point[name] == row[name], (name, n)


@pytest.mark.parametrize("belief", Belief, ids=attrgetter("name"))
def test_influxdb_holds_no_other_point(story: Story, belief: Belief) -> None:
    moment = story.moments[belief]
    assert moment.points_in_all == sum(map(len, moment.points.values()))


def test_what_was_measured_in_the_bucket_is_gone(story: Story) -> None:
    for channel in CHANNELS:
        before, after = (story.moments[b] for b in (Belief.SWAP, Belief.CROSSED))
        gone = [SLOTS[n] for n in range(INSTALLED)]
        assert list(before.points[channel])[:INSTALLED] == gone
        assert list(after.points[channel])[0] == SLOTS[INSTALLED]
        way = story.ways[Belief.CROSSED, channel, 3]
        assert way["value"] is None
        assert "no deployment fed the channel then" in way["why"]


@pytest.mark.parametrize("belief", PUT_RIGHT, ids=attrgetter("name"))
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_correction_changes_what_it_is_about_and_not_a_bit_beside(
    story: Story, belief: Belief, channel: str
) -> None:
    before = story.moments[Belief(belief - 1)].rows(channel)
    after = story.moments[belief].rows(channel)
    about = PUT_RIGHT[belief].get(channel, range(0))
    both = [n for n in before if n in after]
    assert [n for n in both if before[n] != after[n]] == [n for n in both if n in about]
    derivations = [(before[n]["derivation"], after[n]["derivation"]) for n in both if n in about]
    assert all(old != new for old, new in derivations)
    if about and belief not in {Belief.SWAP, Belief.CHECKED}:
        assert all(before[n]["value"] != after[n]["value"] for n in both if n in about)


@pytest.mark.parametrize("belief", PUT_RIGHT, ids=attrgetter("name"))
def test_apply_foretold_what_came(story: Story, belief: Belief) -> None:
    reported = {row["channel"]: row for row in story.foreseen[belief]["channels"]}
    assert reported.keys() == PUT_RIGHT[belief].keys()
    if belief is Belief.SWAP:  # three slots of which nobody looked at the values before
        return
    rows = 0
    for channel in reported:
        before = story.moments[Belief(belief - 1)].rows(channel)
        after = story.moments[belief].rows(channel)
        rows += sum(before[n] != after.get(n) for n in before)
        numbers = sum(_numbers(before[n]) != _numbers(after.get(n, {})) for n in before)
        assert reported[channel]["changed"] == numbers > 0
    if story.foreseen[belief]["differing"] is not None:  # `cal apply` has waited and counted
        assert story.foreseen[belief]["differing"] == rows


def _numbers(row: Row) -> list[object]:
    return [row.get(name) for name in ("value", "u_random", "u_systematic", "flag")]


@pytest.mark.parametrize("belief", PUT_RIGHT, ids=attrgetter("name"))
@pytest.mark.parametrize("channel", CHANNELS)
def test_what_was_known_just_before_a_correction_is_answered_bit_for_bit(
    story: Story, belief: Belief, channel: str
) -> None:
    just_before = instant(story.learned[belief] - SECOND)
    if belief is Belief.SWAP:
        just_before = instant(REPORTED - SECOND)  # late on day 402
    then = story.query(channel, "--as-known-at", just_before)
    assert then == story.moments[Belief(belief - 1)].printed[channel]


def test_known_now_is_what_stands_now(story: Story) -> None:
    for channel in CHANNELS:
        then = story.query(channel, "--as-known-at", instant(story.n))
        assert then == story.query(channel) == story.moments[Belief.CHECKED].printed[channel]


def test_a_release_keeps_its_numbers_and_its_digest(story: Story) -> None:
    for channel in CHANNELS:
        released = json.loads(story.query(channel, "--release", RELEASE))
        unit = {"unit": released[0]["unit"]}  # in the one spelling that a release has
        then, now = (
            [{**row, **unit} for row in story.moments[belief].rows(channel).values()]
            for belief in (Belief.SWAP, Belief.CHECKED)
        )
        assert released == then != now
    assert story.station.json("release") == [{**story.released, "problems": []}]


@pytest.mark.parametrize("asked", [(b, *one) for b, own in ASKED.items() for one in own])
def test_explain_tells_the_way_to_the_value_that_stands(
    story: Story, asked: tuple[Belief, str, int]
) -> None:
    belief, channel, n = asked
    way, row = story.ways[asked], story.moments[belief].rows(channel).get(n)
    if row is None:
        assert way["value"] is None
        return
    assert way["agrees"], way["again"]
    for name in ("value", "u_random", "u_systematic", "flag", "derivation"):
        assert way[name] == row[name]
    assert [step["id"] for step in way["steps"]] == names_of(channel, n, belief)
    address = way["deployment"]["source"][-1]
    probe = "A" if belief is Belief.FIRST and address == "a" else hanging(address, n)
    assert way["deployment"]["sensor"] == SERIALS[probe]
    assert any(answer(address, n)[0] in line for line in way["record"]["payload"])


def test_the_swap_is_doubted_until_it_is_reported(story: Story) -> None:
    before = story.ways[Belief.FIRST, "P1-vwc-5", SWAPPED + 4]
    words = f"the instrument reports serial {SERIALS['C']}, deployed is {SERIALS['A']}"
    assert before["reasons"] == [{"flag": 3, "why": words}]
    [problem] = story.moments[Belief.FIRST].problem
    assert f"a new sensor {SERIALS['C']} is where {SERIALS['A']} was" in problem
    for n in (SWAPPED + 1, SWAPPED + 4):
        after = story.ways[Belief.SWAP, "P1-vwc-5", n]
        assert (after["flag"], after["reasons"]) == (1, [])
    assert story.moments[Belief.SWAP].problem == []


@pytest.mark.parametrize(
    ("channel", "slots"),
    [("P1-temp-5", range(INSTALLED, RIGHTED)), ("P1-temp-20", range(RIGHTED, N))],
)
def test_of_a_pair_values_go_evenly_from_the_one_to_the_other(
    story: Story, channel: str, slots: range
) -> None:
    rows, raw = story.moments[Belief.DRIFT].rows(channel), story.moments[Belief.DRIFT].points
    for n in slots:
        x = raw[channel][SLOTS[n]]["raw"]
        gone = (rows[n]["value"] - BATH.value(x)) / (RECOVERED.value(x) - BATH.value(x))
        assert gone == pytest.approx(n / N, abs=1e-12)
        own = rows[n]["u_systematic"] ** 2
        own -= (1 - n / N * 0.015) ** 2 * 0.25 / 3  # the slope goes from 1 to 0.985
        parts = ((1 - n / N) ** 2 * BATH.variance(x), (n / N) ** 2 * RECOVERED.variance(x))
        assert own == pytest.approx(sum(parts), rel=1e-9)


def test_explain_tells_both_of_a_pair_and_how_far_between(story: Story) -> None:
    [step] = story.ways[Belief.DRIFT, "P1-temp-5", MIDDLE]["steps"]
    x = float(answer("b", MIDDLE)[1])
    assert step["progress"]["share"] == 0.5
    assert step["drifts_from"]["id"] == "B-bath"
    assert step["drifts_from"]["value_alone"] == pytest.approx(BATH.value(x), rel=1e-12)
    assert step["value_alone"] == pytest.approx(RECOVERED.value(x), rel=1e-12)
    assert step["value"] == pytest.approx((BATH.value(x) + RECOVERED.value(x)) / 2, rel=1e-12)


def test_a_check_widens_or_confirms(story: Story) -> None:
    before, after = (story.moments[b].rows("P1-temp-20") for b in (Belief.DRIFT, Belief.CHECKED))
    for n in range(FOUND, N):
        assert before[n]["value"] == after[n]["value"]
        same = before[n]["u_systematic"] == after[n]["u_systematic"]
        assert same == (n >= CONFIRMED)
    for n, name, result in ((FOUND, "found", "widened"), (CONFIRMED, "left", "confirmed")):
        [check] = story.ways[Belief.CHECKED, "P1-temp-20", n]["field_checks"]
        assert (check["id"], check["result"]) == (name, result)


def test_both_ledgers_close_and_deriving_again_changes_nothing(story: Story) -> None:
    found = story.station.json("verify", "--deep")
    rows = sum(len(list(believed(id, Belief.CHECKED))) for id in CHANNELS)
    assert found["observations"]["current"] == rows
    (sink,) = found["sinks"].values()
    assert (sink["read_back"], sink["differs"]) == (rows, [])
    slots = {path: (s["records"], s["in_gaps"]) for path, s in found["slots"].items()}
    assert slots == {"sdi12/a": (N - 1, 1), "sdi12/b": (N, 0)}
    assert story.station.json("recalibrate")["differing"] == 0
    assert story.station.json("rebuild")["differing"] == 0
    for channel in CHANNELS:
        assert story.query(channel) == story.moments[Belief.CHECKED].printed[channel]
