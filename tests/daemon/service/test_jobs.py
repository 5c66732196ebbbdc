"""The periodic jobs: on time over steps of the wall clock, again after a failure, listed."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers import base
from tests.daemon.commands.calling import call, call_json
from tests.programs import wait_until
from tests.stories.station import Station

from edaphon.service.jobs import Jobs
from edaphon.service.process import running

STEPS = {
    "-1 d": -timedelta(days=1),
    "+90 d": timedelta(days=90),
    "-0.3 s, which is less than the interval": -timedelta(seconds=0.3),
    "GPS week rollover": -timedelta(weeks=1024),
}
EVERY_S = 0.5
LATE_S = 0.25  # of a machine with other work


class SetTime(datetime):
    """The time of the machine and a step."""

    step = timedelta(0)

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.step


@pytest.fixture
def set_time(monkeypatch):
    monkeypatch.setattr(SetTime, "step", timedelta(0))
    monkeypatch.setattr(base, "datetime", SetTime)
    return SetTime


Made = tuple[Jobs, dict[str, str]]


@pytest.fixture
def made() -> Iterator[Made]:
    """(the jobs, what was reported by name)."""
    reported: dict[str, str] = {}

    def report(who: str, what: str | None) -> None:
        reported.update({who: what} if what else {})
        if what is None:
            reported.pop(who, None)

    jobs = Jobs(report)
    yield jobs, reported
    jobs.stop()


class Runs:
    """A job that notes when it ran [monotonic s]."""

    def __init__(self) -> None:
        self.at_s: list[float] = []
        self.ran = threading.Semaphore(0)

    def __call__(self) -> None:
        self.at_s.append(time.monotonic())
        self.ran.release()


def row(jobs: Jobs) -> dict[str, Any]:
    (found,) = jobs.rows(time.time_ns())
    return found


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_job_runs_each_interval_of_monotonic_time_over_a_step_and_back(
    set_time, made: Made, step
) -> None:
    """Nobody wakes it: a step is found when it is due by the clock that has none."""
    jobs, _ = made
    job = Runs()
    begun_s = time.monotonic()
    jobs.add("job", job, EVERY_S)
    jobs.start()
    for now in (step, timedelta(0), step):
        time.sleep(0.2)
        set_time.step = now
        assert job.ran.acquire(timeout=EVERY_S + LATE_S), f"no run after the clock was set by {now}"
    times = [begun_s, *job.at_s]
    between = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert all(EVERY_S - 0.1 < s < EVERY_S + LATE_S for s in between), between


def test_a_step_that_is_noticed_changes_the_times_that_are_shown(set_time, made: Made) -> None:
    jobs, _ = made
    jobs.add("job", lambda: None, 3600)
    jobs.start()
    set_time.step = STEPS["-1 d"]
    jobs.wake()
    shown = jobs.rows(time.time_ns() - 86400 * 10**9)[0]["next_ns"] / 1e9
    assert shown == pytest.approx(time.time() - 86400 + 3600, abs=1)


def test_a_job_that_is_not_due_is_left_alone(made: Made) -> None:
    jobs, _ = made
    job = Runs()
    jobs.add("job", job, 3600)
    jobs.start()
    jobs.wake()
    assert not job.ran.acquire(timeout=0.2)
    assert row(jobs)["last_ns"] is None


def test_a_job_that_fails_is_reported_once_and_runs_again_until_it_is_well(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    jobs, reported = made
    tries: list[int] = []

    def job() -> None:
        tries.append(0)
        if len(tries) < 3:
            raise OSError("no room")

    with caplog.at_level(logging.INFO):
        jobs.add("look", job, every_s=3600, first_s=0, retry_s=0.2)
        jobs.start()
        wait_until(lambda: "job look" in reported, "the report")
        assert reported["job look"] == "failed and runs again: OSError: no room"
        assert row(jobs)["result"] == "failed: OSError: no room"
        wait_until(lambda: len(tries) == 3 and not reported, "the third try")
    assert row(jobs)["result"] == "ok"
    assert row(jobs)["next_ns"] / 1e9 == pytest.approx(time.time() + 3600, abs=2)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_what_a_job_reported_itself_is_its_result_and_no_second_report(made: Made) -> None:
    jobs, reported = made
    jobs.add("flush", lambda: "disk full", 3600, first_s=0)
    jobs.start()
    wait_until(lambda: row(jobs)["result"] == "failed: disk full", "the result")
    assert not reported


@pytest.mark.parametrize("hangs", ["first", "second"])
def test_a_job_that_hangs_holds_up_no_other_and_is_not_begun_twice(
    made: Made, hangs: str, caplog: pytest.LogCaptureFixture
) -> None:
    jobs, _ = made
    end, begun, other = threading.Event(), Runs(), Runs()

    def hang() -> None:
        begun()
        end.wait(20)

    both: dict[str, Callable[[], None]] = {"a": hang, "b": other}
    for name in sorted(both, reverse=hangs == "second"):
        jobs.add(name, both[name], 0.3, first_s=0)
    jobs.start()
    for _ in range(3):
        assert other.ran.acquire(timeout=2)
    assert len(begun.at_s) == 1
    assert [one["name"] for one in jobs.rows(0) if one["running"]] == ["a"]
    jobs.stop()
    jobs.join(0.1)
    assert not jobs.is_over
    end.set()
    jobs.join(5)
    assert jobs.is_over


def test_no_job_runs_after_the_stop(made: Made) -> None:
    jobs, _ = made
    job = Runs()
    jobs.add("job", job, 0.2)
    jobs.start()
    assert job.ran.acquire(timeout=2)
    jobs.stop()
    n = len(job.at_s)
    time.sleep(0.5)
    assert len(job.at_s) == n


def test_status_lists_the_jobs_of_a_service(tmp_path: Path) -> None:
    station = Station(tmp_path, [], [])
    with running(station.file):
        wait_until(lambda: "job free space: last 2" in shown(station), "the first run")
        listed = call_json(station, "status", codes=(0, 1))["jobs"]
        text = shown(station)
    assert {one["name"] for one in listed} == {
        "flush",
        "check of stored files",
        "identification",
        "messages due",
        "free space",
        "quality tests",
    }
    assert "job identification: last not yet, next 2" in text
    assert " (ok), next " in text


def shown(station: Station) -> str:
    return call(station, "status", codes=(0, 1))[0]
