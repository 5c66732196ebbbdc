"""`edaphon visit`: what is marked, what is silent meanwhile, and what does not speak at the end."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.commands.test_files import HEAD, MODEL, SOURCE
from tests.stories.station import Station

from edaphon.clock import instant_text
from edaphon.service.process import running
from edaphon.service.sources import Overrides
from edaphon.toml_input.values import instant_ns

FACTS = """[[plot]]
id = "P"
[[plot]]
id = "other"
[[channel]]
id = "x"
plot = "P"
quantity = "soil_temperature"
unit = "degC"
depth_cm = 5
[[deployment]]
id = "d"
channel = "x"
source = "file/log"
output = "t"
"""
VISIT = """[[visit]]
id = "v"
plot = "P"
from = 2026-04-01T12:10:00Z
to = 2026-04-01T12:40:00Z
who = "K. Berg"
why = "fuse replaced"
"""
EXPECTED = SOURCE + 'expect = "10min"\n'
QUICK = Overrides(look_every_s=0.05)
MINUTE = 60 * 10**9


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """A file of one value each ten minutes, and a service that is off."""
    data = tmp_path / "data"
    data.mkdir()
    rows = "".join(f"2026-04-01 12:{minute},5.{minute}\n" for minute in range(10, 60, 10))
    (data / "a.csv").write_text(f"{HEAD}2026-04-01 12:00,5.05\n{rows}")
    return Station(tmp_path, [MODEL, EXPECTED.replace("FOLDER", str(data))], [FACTS])


def flags(station: Station, *words: str) -> dict[str, int]:
    """By minute, of the hour of the file."""
    out, _ = call(station, "query", "x", *words)
    rows = [line.split(",") for line in out.splitlines()[1:]]
    return {row[0][14:16]: int(row[6]) for row in rows}


def applied(station: Station, name: str, text: str) -> None:
    file = station.folder / f"{name}.toml"
    file.write_text(text)
    call(station, "apply", str(file))


def test_a_visit_marks_the_values_of_its_plot_from_its_begin_until_just_before_its_end(
    station: Station,
) -> None:
    with running(station.file, QUICK):
        until(lambda: len(flags(station)) == 6)
        before = flags(station)
        assert set(before.values()) & {3, 4} == set()
        time.sleep(1.1)  # what is known is asked for by the second
        known = instant_text(time.time_ns() // 10**9 * 10**9)
        time.sleep(1.1)
        applied(station, "visit", VISIT)
        marked = {**before, "10": 3, "20": 3, "30": 3}
        until(lambda: flags(station) == marked)
        assert flags(station, "--as-known-at", known) == before
        way = call_json(station, "explain", "x", "2026-04-01T12:10:00Z")
        assert (way["agrees"], way["flag"]) == (True, 3)
        assert "mark v by K. Berg: visit of K. Berg: fuse replaced" in [
            one["why"] for one in way["reasons"]
        ]
        assert call_json(station, "rebuild")["differing"] == 0
        applied(station, "back", '[[revocation]]\nof = "v"\nwhy = "wrong day"\n')
        until(lambda: flags(station) == before)


def test_a_visit_of_another_plot_marks_nothing(station: Station) -> None:
    with running(station.file, QUICK) as service:
        until(lambda: len(flags(station)) == 6)
        before = call(station, "query", "x")
        applied(station, "visit", VISIT.replace('"P"', '"other"'))
        until(lambda: service.journal.last == service.deriver.position)
        assert call(station, "query", "x") == before


def test_a_channel_is_at_the_plot_of_its_profile_too(station: Station) -> None:
    first = station.inbox / "first.toml"
    profile = '[[profile]]\nid = "pit"\nplot = "P"\n'
    first.write_text(FACTS.replace('plot = "P"\nquan', 'profile = "pit"\nquan') + profile + VISIT)
    with running(station.file, QUICK):
        until(lambda: len(flags(station)) == 6)
        assert [minute for minute, flag in flags(station).items() if flag == 3] == [
            "10",
            "20",
            "30",
        ]


def test_a_visit_starts_ends_by_itself_at_its_time_or_sooner_by_hand(station: Station) -> None:
    with running(station.file, QUICK) as service:
        begun = time.time_ns() // 10**9 * 10**9
        out, _ = call(station, "visit", "start", "P", "--for", "2h", "--who", "K. Berg")
        (row,) = call_json(station, "visit", "list")
        assert (row["plot"], row["who"], row["running"]) == ("P", "K. Berg", True)
        assert begun <= instant_ns(row["from"]) <= begun + 60 * 10**9
        assert instant_ns(row["to"]) == instant_ns(row["from"]) + 120 * MINUTE
        assert row["to"] in out
        until(lambda: service.alerts.situation.pauses[-1:])
        (pause,) = (p for p in service.alerts.situation.pauses if p.kind == "visit")
        assert "source file/log" in pause.nodes
        assert pause.end_ns == instant_ns(row["to"])
        _, err = call(station, "visit", "start", "P", codes=(1,))
        assert f"a visit of P by K. Berg goes on until {row['to']}" in err
        _, err = call(station, "visit", "end", "other", codes=(1,))
        assert err == "no visit of other goes on; plots with one: P\n"
        time.sleep(1.1)
        call(station, "visit", "end", "P")
        (ended,) = call_json(station, "visit", "list")
        assert ended["supersedes"] == row["id"]
        assert not ended["running"]
        assert (ended["from"], ended["who"]) == (row["from"], "K. Berg")
        assert begun < instant_ns(ended["to"]) <= time.time_ns()
        assert re.search(r"^P: .* to .*, K\. Berg +\[visit-P-", call(station, "visit", "list")[0])


def test_the_end_of_a_visit_lists_what_does_not_speak_yet_and_nothing_that_speaks(
    station: Station,
) -> None:
    call(station, "apply")
    with running(station.file, QUICK) as service:
        until(lambda: len(flags(station)) == 6)
        until(lambda: service.alerts.situation and service.alerts.situation.sources[0].last_ns)
        call(station, "visit", "start", "P")
        out, _ = call(station, "visit", "end", "P")
        assert "does not speak yet: source file/log (no data since 2026-04-01T12:50:00Z)" in out
        look = service.alerts._station.look

        def fresh() -> object:
            now = look()
            spoke = [replace(one, last_ns=now.now_ns) for one in now.sources]
            numbers = [replace(one, last_number_ns=now.now_ns) for one in now.channels]
            return replace(now, sources=tuple(spoke), channels=tuple(numbers))

        service.alerts._station.look = fresh  # type: ignore[method-assign]
        passes = service.alerts.passes
        until(lambda: service.alerts.passes > passes + 1)
        time.sleep(1.1)
        call(station, "visit", "start", "P")
        assert "all that is expected of it speaks" in call(station, "visit", "end", "P")[0]


def test_without_a_service_a_visit_is_journalled_and_what_speaks_is_not_known(
    station: Station,
) -> None:
    call(station, "apply")
    call(station, "visit", "start", "P", "--why", "battery")
    _, err = call(station, "visit", "start", "P9", codes=(1,))
    assert 'plot: "P9" is no plot' in err
    _, err = call(station, "visit", "start", "P", "--for", "soon", codes=(2,))
    assert "--for: expected a duration" in err
    out, _ = call(station, "visit", "end", "P")
    assert "the service does not run: what does not speak yet is not known" in out
    (row,) = call_json(station, "visit", "list")
    assert (row["why"], row["running"]) in {("battery", False), ("battery", True)}


PAUSE = """[[pause]]
id = "winter"
sources = ["file/log"]
from = 2026-04-01T00:00:00Z
to = 2200-04-01T00:00:00Z
"""


def test_a_silence_within_a_visit_or_a_pause_is_planned_and_no_problem_of_status(
    station: Station,
) -> None:
    station.file.write_text(station.file.read_text().replace('"10min"', '"100ms"'))

    def problem() -> list[str]:
        return [words for words in call_json(station, "status", codes=(0, 1))["trouble"]]

    with running(station.file, Overrides(look_every_s=600)) as service:
        until(lambda: any("file/log: silent" in words for words in problem()))
        service.alerts.wake()
        until(lambda: "channel x" in service.alerts.nodes)
        call(station, "visit", "start", "P", "--who", "K. Berg", "--why", "fuse")
        until(lambda: service.deriver.knowledge.visits)
        assert problem() == []
        out, _ = call(station, "status", codes=(0, 1))  # 1: an incident that opened before it
        assert "source file/log: silent, planned (visit)" in out
        (visit,) = call_json(station, "status", codes=(0, 1))["visits"]
        assert f"visit of K. Berg at P until {instant_text(visit['end_ns'])}: fuse" in out
        call(station, "visit", "end", "P")
        until(lambda: not call_json(station, "status", codes=(0, 1))["visits"])
        assert "silent, planned" not in call(station, "status", codes=(0, 1))[0]
        applied(station, "pause", PAUSE)
        until(lambda: service.deriver.knowledge.pauses)
        assert "silent, planned (pause)" in call(station, "status", codes=(0, 1))[0]
        assert problem() == []


def test_while_a_pause_goes_on_its_longer_interval_is_expected(station: Station) -> None:
    (station.inbox / "pause.toml").write_text(PAUSE + 'interval = "6h"\n')
    with running(station.file, QUICK) as service:
        call(station, "apply")
        until(lambda: service.deriver.knowledge.pauses)
        passes = service.alerts.passes
        until(lambda: service.alerts.passes > passes + 1)
        situation = service.alerts.situation
        assert situation is not None
        assert [one.interval_ns for one in situation.sources] == [360 * MINUTE]
        assert situation.pauses == ()


def test_while_the_clock_is_not_known_a_visit_goes_on_that_did_at_the_newest_data(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A box without a clock chip, whose battery is changed, begins in 1970."""
    (station.inbox / "visit.toml").write_text(VISIT.replace("12:40", "13:40"))
    call(station, "apply")
    with running(station.file, Overrides(look_every_s=600)) as service:
        until(lambda: len(flags(station)) == 6)
        monkeypatch.setattr(service.keeper, "now_ns", lambda: 0)
        monkeypatch.setattr(service.clock_watch, "how", "")
        situation = service.alerts._station.look()
        assert situation.now_ns == instant_ns("2026-04-01T12:50:00Z")
        (visit,) = (one for one in situation.pauses if one.kind == "visit")
        assert visit.start_ns <= situation.now_ns < visit.end_ns
        assert "channel x" in situation.nodes
