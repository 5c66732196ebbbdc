"""Each fault of a zoo is one message of its cause and one when it is over; nothing else is sent.

The project's own part of the zoo, or any folder of the form that `zoo_files` reads with `--zoo`.
"""

from pathlib import Path

import pytest
from tests.conformance.zoo_judge import Verdict, played
from tests.conformance.zoo_sites import PLAYS, write_sites

pytestmark = pytest.mark.timeout(240)  # the first fault of a base pays for all of its days


def test_what_is_sent_is_what_a_person_would_say(verdict: Verdict) -> None:
    assert list(verdict.complaints) == []


@pytest.fixture(scope="module")
def own_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    write_sites(folder)
    return folder


@pytest.mark.parametrize(("site", "scenario"), PLAYS)
def test_other_wiring_intervals_and_voltages_are_one_message_too(
    own_sites: Path, site: str, scenario: str
) -> None:
    verdict = played(own_sites, site, "a", scenario)
    assert list(verdict.complaints) == []
    assert verdict.latency_h is None or verdict.latency_h <= verdict.goal_h
