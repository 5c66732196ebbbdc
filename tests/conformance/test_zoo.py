"""Each fault of a zoo is one message of its cause and one when it is over; nothing else is sent.

The project's own part of the zoo, or any folder of the form that `zoo_files` reads with `--zoo`.
"""

import pytest
from tests.conformance.zoo_judge import Verdict


def test_what_is_sent_is_what_a_person_would_say(verdict: Verdict) -> None:
    if not verdict.played:
        pytest.skip(f"not built: {verdict.fault} {verdict.what}")
    assert list(verdict.complaints) == []
