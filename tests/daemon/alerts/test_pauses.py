"""Of what nothing is expected: visits, pauses and removals, by facts, on a station's own tree."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.daemon.alerts.station import DAY, HOUR, MINUTE, TEN, Station
from tests.daemon.alerts.test_tree import LINE, LORA, channel, parts, probe

from edaphon.alerts.book import Book, acknowledged, replayed
from edaphon.alerts.due import ReceiverRules
from edaphon.alerts.look import PauseNow
from edaphon.alerts.model import Severity
from edaphon.facts import Knowledge
from edaphon.service.station_tree import FOREVER_NS, healthy, pauses, plot_nodes, slowed, tree
from edaphon.toml_input.values import instant_ns

NOON = instant_ns("2026-12-01T12:00:00Z")
PLOTS = "".join(f'[[plot]]\nid = "{id}"\n' for id in ("P1", "P2"))
TWO = PLOTS + "".join(
    channel(f"{plot}-t{n}", f"line/{address}", "temperature", more=f'plot = "{plot}"\n{more}')
    for plot, address, n, more in (
        ("P1", "a", 1, ""),
        ("P1", "b", 2, "replicate = 2\n"),
        ("P2", "c", 1, ""),
    )
)
TABLES = LINE, probe("a"), probe("b"), probe("c")
VISIT = (
    '[[visit]]\nid = "v"\nplot = "P1"\nwho = "K. Berg"\n'
    "from = 2026-12-01T12:00:00Z\nto = 2026-12-01T15:00:00Z\n"
)


def pause(more: str, hours: int = 3) -> str:
    until = f"2026-12-01T{12 + hours}:00:00Z"
    return f'[[pause]]\nid = "p"\nfrom = 2026-12-01T12:00:00Z\nto = {until}\n{more}\n'


def found(facts: str, now_ns: int, *tables: str) -> tuple[PauseNow, ...]:
    config, knowledge = parts(*(tables or TABLES), facts=facts)
    return pauses(knowledge, tree(config, knowledge, now_ns), now_ns)


class Life:
    """A station of three probes whose facts decide what is expected of it."""

    def __init__(self, facts: str, *tables: str, begin_ns: int = NOON - HOUR) -> None:
        self.config, self.knowledge = parts(*(tables or TABLES), facts=facts)
        self.station = Station(now=healthy(self.config, self.knowledge, begin_ns))

    def run(self, duration: int, silent: set[str] | None = None) -> "Life":
        """With the tree and the pauses of each minute, as the daemon makes them."""
        station = self.station
        station.silent = station.silent if silent is None else silent
        for _ in range(duration // MINUTE):
            now = self.usual(station.now.now_ns)
            station.now = slowed(replace(station.now, **now), self.knowledge)
            station.pass_time(MINUTE)
            now_ns = station.now.now_ns
            nodes = station.now.nodes
            station.now = replace(station.now, pauses=pauses(self.knowledge, nodes, now_ns))
            station.look()
        return self

    def usual(self, now_ns: int) -> Mapping[str, object]:
        """The tree of that time, and the intervals as they are configured."""
        nodes = tree(self.config, self.knowledge, now_ns)
        now = self.station.now
        sources = tuple(replace(one, interval_ns=TEN) for one in now.sources)
        channels = tuple(replace(one, interval_ns=TEN) for one in now.channels if one.node in nodes)
        return {"nodes": nodes, "sources": sources, "channels": channels}


def test_a_visit_pauses_what_is_at_its_plot_alone_from_its_begin_until_just_before_its_end() -> (
    None
):
    assert found(TWO + VISIT, NOON - 1) == ()
    (going,) = found(TWO + VISIT, NOON)
    assert (going.start_ns, going.end_ns) == (NOON, NOON + 3 * HOUR)
    assert (going.kind, going.fact) == ("visit", "v")
    assert {"source line/a", "source line/b", "channel P1-t1", "channel P1-t2"} <= going.nodes
    assert not {"source line/c", "channel P2-t1", "bus line", "logger"} & going.nodes
    assert found(TWO + VISIT, NOON + 3 * HOUR) == (going,)  # its end is known
    assert found(TWO + VISIT, NOON + 200 * DAY) == ()


def test_the_bus_of_one_plot_is_at_it_and_broker_and_logger_are_not() -> None:
    lora = channel("P1-l", "ttn/a84041b2c1d5e6f7", "soil_temperature", more='plot = "P1"\n')
    config, knowledge = parts(
        LINE, probe("a"), LORA, facts=PLOTS + channel("x", "line/a", "temperature") + lora
    )
    nodes = tree(config, knowledge, NOON)
    assert plot_nodes(nodes, "P1") >= {"source ttn/a84041b2c1d5e6f7", "channel P1-l"}
    facts = PLOTS + channel("x", "line/a", "temperature", more='plot = "P1"\n') + lora
    config, knowledge = parts(LINE, probe("a"), LORA, facts=facts)
    nodes = tree(config, knowledge, NOON)
    assert "bus line" in plot_nodes(nodes, "P1")
    assert not {"logger", "broker ttn"} & plot_nodes(nodes, "P1")


def test_silence_within_a_visit_alerts_nobody_and_after_its_end_within_four_intervals() -> None:
    life = Life(TWO + VISIT).run(HOUR + MINUTE)
    life.run(3 * HOUR - 2 * MINUTE, silent={"source line/a"})
    assert life.station.events == []
    life.run(4 * TEN + 2 * MINUTE)
    (one,) = life.station.book.open
    assert "source line/a" in {one.cause, *one.members}
    assert one.opened_ns <= NOON + 3 * HOUR + 4 * TEN
    assert life.station.occasions == ["visit-ended", "opened"]


def test_the_end_of_a_visit_is_one_message_of_all_that_does_not_speak_to_who_knows_of_losses() -> (
    None
):
    life = Life(TWO + VISIT)
    life.station.receivers = (
        ReceiverRules("mail"),
        ReceiverRules("office", classes=frozenset({Severity.LATE})),
        ReceiverRules("boss", after_ns=DAY),
    )
    life.run(HOUR + MINUTE).run(3 * HOUR - 2 * MINUTE, silent={"source line/a", "source line/b"})
    assert life.station.messages == []
    life.run(2 * MINUTE)
    ((at_ns, message),) = life.station.messages
    assert at_ns - (NOON + 3 * HOUR) <= MINUTE
    assert (message.receiver, message.visit) == ("mail", "v")
    ended = life.station.book.visits["v"]
    assert set(ended.nodes) == {"source line/a", "source line/b"}
    life.station.book = Book.from_json(life.station.book.to_json())
    life.run(HOUR)
    assert life.station.occasions.count("visit-ended") == 1
    again = Book()
    for event in life.station.events:
        again = replayed(again, event)
    assert again == life.station.book


def test_a_visit_after_which_all_speaks_sends_nothing() -> None:
    life = Life(TWO + VISIT).run(HOUR + MINUTE)
    life.run(2 * HOUR, silent={"source line/a"}).run(2 * HOUR, silent=set())
    assert life.station.messages == []
    assert life.station.book.visits["v"].nodes == ()
    life.run(TEN, silent={"source line/a"}).run(2 * TEN)
    assert life.station.messages == []


def test_the_end_of_a_visit_waits_until_a_service_that_has_just_started_can_know() -> None:
    life = Life(TWO + VISIT).run(HOUR + MINUTE)
    life.run(3 * HOUR - 3 * MINUTE, silent={"source line/a", "source line/b"})
    life.station.restart()
    life.run(10 * MINUTE)
    assert "v" not in life.station.book.visits
    life.run(11 * MINUTE, silent={"source line/b"})
    assert life.station.book.visits["v"].nodes == ("source line/b",)


def test_of_a_visit_that_was_entered_long_after_it_nobody_is_sent_a_message() -> None:
    life = Life(TWO + VISIT, begin_ns=NOON + 6 * HOUR)
    life.run(2 * TEN + MINUTE, silent={"source line/a"})
    assert life.station.book.visits == {}


def test_a_visit_of_one_plot_silences_no_other() -> None:
    life = Life(TWO + VISIT).run(HOUR + MINUTE)
    life.run(HOUR, silent={"source line/c"})
    assert life.station.occasions == ["opened"]


def test_what_comes_back_before_the_end_of_a_visit_alerts_nobody() -> None:
    life = Life(TWO + VISIT).run(HOUR + MINUTE)
    life.run(2 * HOUR, silent={"source line/a", "source line/b"})
    life.run(6 * HOUR, silent=set())
    assert life.station.messages == []
    assert [event.did for event in life.station.events] == ["visit ended"]


@pytest.mark.parametrize("of", ['sources = ["line/a", "line/b"]', 'plot = "P1"'])
def test_a_declared_pause_alerts_nobody_and_its_end_is_no_surprise(of: str) -> None:
    life = Life(TWO + pause(of)).run(HOUR + MINUTE)
    life.run(3 * HOUR, silent={"source line/a", "source line/b"})
    life.run(3 * HOUR, silent=set())
    assert life.station.events == []


def test_a_pause_with_a_longer_interval_expects_that_one_and_nothing_less() -> None:
    facts = TWO + pause('sources = ["line/a"]\ninterval = "1h"', hours=11)
    life = Life(facts).run(HOUR + MINUTE)
    life.run(2 * HOUR, silent={"source line/a"})
    assert life.station.events == []
    life.run(2 * HOUR + MINUTE)
    assert life.station.occasions == ["opened"]


def test_after_a_pause_with_a_longer_interval_three_usual_intervals_are_waited() -> None:
    facts = TWO + pause('sources = ["line/a"]\ninterval = "3h"')
    life = Life(facts).run(HOUR + MINUTE)
    life.run(3 * HOUR - MINUTE, silent={"source line/a"})
    life.run(25 * MINUTE)
    assert life.station.events == []
    life.run(15 * MINUTE)
    assert life.station.occasions == ["opened"]


def test_the_longer_interval_is_expected_of_channels_too_and_a_shorter_one_changes_nothing() -> (
    None
):
    for interval, wanted in (("6h", 6 * HOUR), ("1min", TEN)):
        facts = TWO + pause(f'plot = "P1"\ninterval = "{interval}"')
        config, knowledge = parts(*TABLES, facts=facts)
        now = slowed(healthy(config, knowledge, NOON), knowledge)
        sources = {one.node: one.interval_ns for one in now.sources}
        assert sources == {
            "source line/a": wanted,
            "source line/b": wanted,
            "source line/c": TEN,
        }
        assert {one.interval_ns for one in now.channels if "P1" in one.node} == {wanted}
        before = healthy(config, knowledge, NOON - 1)
        assert slowed(before, knowledge) is before


ENDED = TWO.replace('source = "line/a"\n', 'source = "line/a"\nto = 2026-12-01T12:00:00Z\n')


def test_a_removed_probe_is_expected_no_more_and_its_incident_ends_without_a_message() -> None:
    life = Life(ENDED).run(HOUR).run(3 * HOUR, silent={"source line/a"})
    assert life.station.events == []
    life = Life(ENDED).run(TEN).run(HOUR + TEN, silent={"source line/a"})
    assert life.station.occasions == ["opened"]
    life.run(HOUR)
    assert life.station.book.open == ()
    assert life.station.occasions == ["opened"]


def test_a_source_is_away_between_its_deployments_and_expected_where_none_ever_was() -> None:
    assert found(ENDED, NOON - 1) == ()
    (away,) = found(ENDED, NOON)
    assert (away.nodes, away.kind) == ({"source line/a"}, "removal")
    assert (away.start_ns, away.end_ns) == (NOON, FOREVER_NS)
    again = channel("P1-t3", "line/a", "temperature", more='plot = "P1"\nreplicate = 3\n').replace(
        'source = "line/a"\n', 'source = "line/a"\nfrom = 2026-12-02T12:00:00Z\n'
    )
    (away,) = found(ENDED + again, NOON)
    assert away.end_ns == NOON + DAY
    (back,) = found(ENDED + again, NOON + DAY)
    assert back.end_ns == NOON + DAY  # data are missed from then on
    assert found(TWO, NOON, *TABLES, probe("d")) == ()
    (planned,) = found(again + PLOTS, NOON, LINE, probe("a"))
    assert planned.end_ns == NOON + DAY


def test_the_incident_of_another_plot_is_not_acknowledged_by_a_visit() -> None:
    begin = TWO + VISIT
    life = Life(begin).run(TEN).run(5 * TEN - MINUTE, silent={"source line/a", "source line/c"})
    life.run(HOUR)
    acknowledged = {
        one.cause: one.acknowledged_until_ns for one in life.station.book.incidents.values()
    }
    assert sum(until > 0 for until in acknowledged.values()) <= 1
    life = Life(ENDED + VISIT).run(TEN).run(2 * HOUR, silent={"source line/b"})
    until = {one.acknowledged_until_ns for one in life.station.book.open}
    assert until == {NOON + 3 * HOUR}  # of the visit, and not of the removal of line/a


def test_what_a_visit_acknowledged_is_no_longer_acknowledged_once_it_ended_early() -> None:
    life = Life(TWO + VISIT).run(TEN).run(2 * HOUR, silent={"source line/b"})
    (one,) = life.station.book.open
    assert (one.acknowledged_by, one.why) == ("a visit", "v")
    assert one.acknowledged_until_ns == NOON + 3 * HOUR
    ended = VISIT.replace('"v"', '"v-end"\nsupersedes = "v"').replace("T15:00", "T13:15")
    life.config, life.knowledge = parts(*TABLES, facts=TWO + VISIT + ended)
    now_ns = life.station.now.now_ns
    life.run(20 * MINUTE)
    (one,) = life.station.book.open
    assert now_ns < one.acknowledged_until_ns < life.station.now.now_ns
    dids = [event.did for event in life.station.events]
    assert dids.count("acknowledged") == 2


def test_what_a_person_acknowledged_in_a_visit_stays_so_after_it() -> None:
    life = Life(TWO + VISIT).run(TEN).run(2 * HOUR, silent={"source line/b"})
    (one,) = life.station.book.open
    until_ns = NOON + 2 * DAY
    life.station.add(acknowledged(one.number, life.station.now.now_ns, until_ns, "K", "known"))
    life.run(4 * HOUR)
    (one,) = life.station.book.open
    assert (one.acknowledged_until_ns, one.acknowledged_by) == (until_ns, "K")


def test_knowledge_without_such_facts_gives_no_pause() -> None:
    assert pauses(Knowledge(), {}, NOON) == ()
