"""The view through the control socket: what it understands, and what it says when it can't."""

import copy

import numpy as np
import pytest
from tests.daemon.web.plot import DAY, NOON, answer, status

from edaphon.web import ControlView, Silent, Unreadable


def raising(error):
    def ask(question):
        raise error

    return ControlView(ask)


def test_a_status_becomes_frozen_data():
    seen = ControlView(answer).status()
    assert seen.site.name == "Waldhof, spruce"
    assert seen.ledgers.entries.decoded == 40291
    assert seen.sources[2].state == "silent"
    assert seen.channels[0].latest.flag == 1
    with pytest.raises(AttributeError):
        seen.logger = "another"


def test_unknown_keys_of_a_newer_recorder_are_passed_over():
    newer = {**status(), "weather": "fine"}
    assert ControlView(lambda q: newer).status().logger == "whs-logger-1"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("site",), None),
        (("site", "utc_offset_s"), 86400),
        (("now_ns",), 2**63),
        (("ledgers", "entries"), {}),
        (("sources", 0, "state"), "asleep"),
        (("channels", 0, "latest", "value"), "wet"),
    ],
)
def test_a_status_that_is_not_understood_names_the_place(path, value):
    broken = copy.deepcopy(status())
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(Unreadable, match=r"\.".join(map(str, path))):
        ControlView(lambda q: broken).status()


def test_a_day_becomes_observations_with_nan_where_no_number_came():
    (run,) = ControlView(answer).day("whs.A.20.p", NOON - DAY, NOON)
    assert run.channel == "whs.A.20.p"
    assert len(run) == 144
    assert np.isnan(run.value[run.flag == 9]).all()
    assert np.isfinite(run.value[run.flag != 9]).all()
    assert run.time_ns.dtype == np.int64
    assert run.flag.dtype == np.int8


def test_the_day_is_asked_for_by_channel_and_range():
    asked = []

    def ask(question):
        asked.append(question)
        return answer(question)

    ControlView(ask).day("whs.A.5.t", NOON - DAY, NOON)
    assert asked == [
        {"verb": "series", "channel": "whs.A.5.t", "start_ns": NOON - DAY, "end_ns": NOON}
    ]


COLUMNS = {"time_ns": [1], "value": [1.0], "flag": [1], "u_random": [0], "u_systematic": [0]}


@pytest.mark.parametrize(
    ("wrong", "stated"),
    [
        ({"error": "no such channel"}, "time_ns"),
        ({**COLUMNS, "value": [1.0, 2.0]}, "differ in length"),
        ({**COLUMNS, "value": ["wet"]}, "wet"),
        ({**COLUMNS, "time_ns": [None]}, "series"),
        ({**COLUMNS, "time_ns": [2**70]}, "series"),
        ({**COLUMNS, "flag": [[1]]}, "differ in length"),
        ([1, 2], "expected an object"),
    ],
)
def test_a_day_that_is_not_understood_says_what_came(wrong, stated):
    with pytest.raises(Unreadable, match=stated):
        ControlView(lambda q: wrong).day("c", 0, 1)


def test_no_answer_and_no_json_are_told_apart():
    with pytest.raises(Silent, match="refused") as silent:
        raising(ConnectionRefusedError("connection refused")).status()
    assert not isinstance(silent.value, Unreadable)
    with pytest.raises(Silent, match="TimeoutError"):
        raising(TimeoutError()).status()
    with pytest.raises(Unreadable, match="not JSON"):
        raising(ValueError("line 1")).day("c", 0, 1)
