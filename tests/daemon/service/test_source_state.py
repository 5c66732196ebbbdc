"""What is shown of a source: by its interval, how it is collected, a clock that is not known."""

from pathlib import Path

import pytest
from tests.programs import wait_until
from tests.stories.load import Probes, loaded_station
from tests.stories.station import Station

from edaphon.acquire import clock_sync
from edaphon.service.look import (
    CHUNK_NS,
    Received,
    SourceClocks,
    Uplinks,
    source_state,
    sources_now,
)
from edaphon.service.process import running
from edaphon.service.requests import Requests
from edaphon.service.status import failing_words, ledgers, silent_words

SECOND = 10**9


@pytest.mark.parametrize(
    ("age_s", "state"), [(0, "ok"), (2, "ok"), (3, "late"), (5, "silent"), (-4, "ok")]
)
def test_a_source_is_judged_by_its_interval(age_s, state):
    assert source_state(Received(100 * SECOND, (100 + age_s) * SECOND, SECOND)) == state


def test_a_source_that_was_never_heard():
    assert source_state(Received(None, 0, SECOND)) == "never"


@pytest.mark.parametrize("age_s", range(0, 13))
def test_a_stream_that_speaks_each_second_is_well_at_each_moment_of_its_chunk(age_s):
    received = Received(100 * SECOND, (100 + age_s) * SECOND, SECOND, CHUNK_NS)
    assert source_state(received) == "ok"


def test_a_stream_that_fell_silent_is_silent():
    assert source_state(Received(0, CHUNK_NS + 5 * SECOND, SECOND, CHUNK_NS)) == "silent"


def test_what_is_held_is_heard_and_falls_silent_all_the_same():
    assert source_state(Received(0, SECOND, SECOND, held=True)) == "held"
    assert source_state(Received(0, 9 * SECOND, SECOND, held=True)) == "silent"


def test_records_of_an_unknown_clock_show_their_source_as_heard(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(clock_sync, "kernel_is_synchronised", lambda: False)
    with Probes(tmp_path) as probes:
        station = loaded_station(tmp_path / "station", port=probes.port)
        text = station.file.read_text()
        station.file.write_text(text.replace('trust = "system"', 'trust = "ntp"'))
        with running(station.file) as service:
            wait_until(lambda: service.deriver.state.counts.held > 4, "held records")
            states = {
                s["path"]: s["state"]
                for s in Requests(service).answer({"verb": "status"})["sources"]
            }
            assert (states["sdi12/a"], states["sdi12/b"]) == ("held", "held")


def test_the_ledger_of_what_was_taken_in_adds_up_after_a_restart(tmp_path: Path):
    with Probes(tmp_path) as probes:
        station = loaded_station(tmp_path / "station", port=probes.port)
        for _ in range(2):
            with running(station.file) as service:
                wait_until(lambda: service.sources.taken > 4, "records")  # noqa: B023
                found = ledgers(service)
                assert found["taken"] >= found["journalled"] > 0
        assert found["journalled"] > service.sources.taken


def test_a_source_that_says_nothing_since_the_start_is_silent_after_its_intervals():
    assert source_state(Received(None, 0, SECOND, alive_ns=3 * SECOND)) == "never"
    assert source_state(Received(None, 0, SECOND, alive_ns=5 * SECOND)) == "silent"
    assert source_state(Received(None, 0, None, alive_ns=10**18)) == "never"


def test_the_time_that_the_service_was_off_is_no_silence():
    assert source_state(Received(0, 10**6 * SECOND, SECOND, alive_ns=SECOND)) == "ok"


STREAM = (
    '[bus.mast]\nkind = "stream"\nport = "/nowhere/port"\n'
    '[[source]]\nbus = "mast"\nmodel = "licor.li-7810"\nexpect = "1s"\n'
)


def test_a_stream_is_as_old_as_what_it_said_without_the_time_that_its_chunk_collects(tmp_path):
    station = Station(tmp_path, [STREAM], [])
    with running(station.file) as service:

        def age_s(listening_s, last_s=None):
            """Of the only source, once the service has listened so long."""
            service.since_mono_ns = service.clock.mono_ns() - listening_s * SECOND
            if last_s is not None:
                now_ns = service.clock.wall_ns()
                service.deriver.state.seen["mast/0"] = now_ns - last_s * SECOND
            (state,) = sources_now(service, Uplinks(), SourceClocks())
            return pytest.approx(state.age_ns / SECOND, abs=2)

        collects_s = CHUNK_NS / SECOND
        assert age_s(0) == 0  # what it says may be on its way
        assert age_s(100) == 100 - collects_s
        assert age_s(100, last_s=50) == 50 - collects_s
        assert age_s(100, last_s=10**6) == 100 - collects_s  # the service was off before


def test_silent_sources_and_failing_channels_are_problems_once():
    sources = [
        {"path": "sdi12/a", "state": "silent", "detail": "no answer", "interval_ns": 1},
        {"path": "sdi12/b", "state": "silent", "detail": "", "interval_ns": 1},
        {"path": "sdi12/c", "state": "late", "detail": "", "interval_ns": 1},
        {"path": "ttn/daily", "state": "silent", "detail": "", "interval_ns": None},
    ]
    (words,) = silent_words(sources, {"sdi12/a"})
    assert words.startswith("sdi12/b: silent")
    channels = [{"id": f"c{flag}", "latest": {"flag": flag}} for flag in (1, 2, 3, 4, 9)]
    found = list(failing_words([*channels, {"id": "none", "latest": None}]))
    assert [words.split(":")[0] for words in found] == ["channel c4", "channel c9"]


def test_status_of_a_silent_source_exits_1_after_a_restart_too(tmp_path: Path):
    with Probes(tmp_path) as probes:
        station = loaded_station(tmp_path / "station", port=probes.port)
        probes.bus.probes["a"].fault = lambda _: "silent"
        for _ in range(2):
            with running(station.file) as service:
                requests = Requests(service)
                wait_until(
                    lambda: any(
                        words.startswith("sdi12/a")
                        for words in requests.answer({"verb": "status"})["trouble"]  # noqa: B023
                    ),
                    "the silent probe",
                )
