"""Any words of any verb of the daemon's socket are taken or refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edaphon.service.requests import checked
from edaphon.storage.client import DaemonRefuses

VERBS = ("status", "series", "recalibrate", "rebuild", "import", "imports", "cancel_import")
VERBS += ("evidence", "acknowledge", "release", "read", "sink", "alert", "apply", "probe", "hear")
VERBS += ("contradictions", "measure", "say", "readdress", "flush", "files", "bench")
LEAVES = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=9), st.integers())
ANY = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)
)
KEYS = ("begin", "channels", "channel", "since_ns", "start_ns", "end_ns", "name", "do", "source")
KEYS += ("files", "rows", "who", "note", "data", "sha256", "bus", "addresses", "told", "seconds")


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(verb=st.sampled_from(VERBS), words=st.dictionaries(st.sampled_from(KEYS), ANY))
def test_any_words_of_any_verb_are_taken_or_refused(verb, words):
    try:
        name, found = checked({"verb": verb, **words})
    except DaemonRefuses as refusal:
        assert str(refusal).startswith("expected")  # noqa: PT017
    else:
        assert name == verb
        assert set(words) <= set(found)


def test_a_refusal_shows_what_came_and_nothing_where_nothing_did() -> None:
    with pytest.raises(DaemonRefuses, match="got nothing"):
        checked({"verb": "series"})
    with pytest.raises(DaemonRefuses, match="got 17"):
        checked({"verb": "flush", "told": 17, "channels": 17, "note": 17})
