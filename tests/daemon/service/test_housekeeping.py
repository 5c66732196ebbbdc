"""The hourly jobs over steps of the wall clock."""

import threading
from datetime import datetime, timedelta

import pytest
from apscheduler.schedulers import base
from apscheduler.triggers import interval

from edaphon.service.jobs import Housekeeping

STEPS = {
    "-1 d": -timedelta(days=1),
    "+90 d": timedelta(days=90),
    "+1 h": timedelta(hours=1),
    "GPS week rollover": -timedelta(weeks=1024),
}


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
    monkeypatch.setattr(interval, "datetime", SetTime)
    return SetTime


@pytest.fixture
def kept():
    """(the jobs, what to wait for until one ran)."""
    ran = threading.Semaphore(0)
    housekeeping = Housekeeping()
    housekeeping.add(ran.release, 3600)
    housekeeping.start()
    yield housekeeping, ran
    housekeeping.stop()


def test_a_job_that_is_not_due_is_left_alone(set_time, kept):
    housekeeping, ran = kept
    housekeeping.wake()
    assert not ran.acquire(timeout=0.2)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_jobs_run_after_a_step_and_again_when_the_clock_has_come_back(set_time, kept, step):
    housekeeping, ran = kept
    for now in (step, timedelta(0)):
        set_time.step = now
        housekeeping.wake()
        assert ran.acquire(timeout=5), f"no job ran after the clock was set by {now}"
