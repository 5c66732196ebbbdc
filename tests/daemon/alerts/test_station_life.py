"""Whatever fails, comes back and restarts: what is silent is known, once, and all ends well."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.alerts.station import HOUR, MINUTE, TEN, Station, nodes

from edaphon.alerts.book import Book, replayed
from edaphon.alerts.incidents import group
from edaphon.alerts.model import LOGGER, NodeKind

STRIKES = [
    LOGGER,
    "bus one",
    "bus two",
    "source one/0",
    "source one/1",
    "source two/2",
    "sensor two/0",
    "channel two/1/1",
]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["break", "mend", "down", "restart", "crash", "offline", "jump"]),
        st.sampled_from(STRIKES),
        st.integers(1, 12),
    ),
    max_size=10,
)


def act(station: Station, what: str, node: str) -> None:
    now = station.now
    if what == "break" and node.startswith(("sensor", "channel")):
        station.numberless |= {node}
    elif what == "break":
        station.silent |= {node}
    elif what == "mend":
        station.silent -= {node}
        station.numberless -= {node}
    elif what == "down" and node.startswith("bus"):
        station.now = replace(now, down={} if now.down else {node: (now.now_ns, "gone")})
        station.silent ^= {node}
    elif what == "restart":
        station.restart(5 * MINUTE, boot=False)
    elif what == "crash":
        station.book = Book.from_json(station.book.to_json())
        station.restart(2 * HOUR)
    elif what == "offline":
        station.online = not station.online
    elif what == "jump":
        station.now = replace(now, now_ns=now.now_ns + 3 * HOUR)


def silent_for_long(station: Station) -> set[str]:
    return {
        one.node
        for one in station.now.sources
        if one.age_ns > 3 * TEN + 2 * MINUTE and station.now.listening_ns > 4 * TEN
    }


@settings(max_examples=25, deadline=None)
@given(ACTS)
def test_what_is_silent_is_known_once_and_all_ends_well(acts: list[tuple[str, str, int]]) -> None:
    station = Station().run(20 * MINUTE)
    for what, node, tens in acts:
        act(station, what, node)
        station.run(tens * TEN, each=2 * MINUTE)
        members = {member for one in station.book.open for member in one.members}
        assert silent_for_long(station) <= members
        keys = Counter((one.cause, group(one.what)) for one in station.book.open)
        assert max(keys.values(), default=0) <= 1
    station.silent, station.numberless, station.online = set(), set(), True
    station.run(2 * HOUR, each=5 * MINUTE, down={})
    station.run(27 * HOUR, each=HOUR // 4)
    assert station.book.open == ()
    book = Book()
    for event in station.events:
        book = replayed(book, event)
    assert book == station.book
    sent = Counter(
        (message.occasion.value, number)
        for _, message in station.messages
        for number in message.numbers
        if message.occasion.value in ("opened", "resolved", "summary")
    )
    assert max(sent.values(), default=0) <= 1


def test_the_strikes_are_nodes_of_the_station() -> None:
    assert set(STRIKES) <= set(nodes())
    assert NodeKind.SOURCE in {one.kind for one in nodes().values()}
