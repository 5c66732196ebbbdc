"""Threads that begin again when they fail, and jobs at intervals, whatever the wall clock does."""

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from edaphon.journal.guard import ORDERS

FAILED_WAIT_S = 1.0, 60.0  # before a part that failed begins again, and at most
RECOVERED_S = 3 * FAILED_WAIT_S[1]
AT_ONCE = 8  # jobs
STEP = timedelta(seconds=0.05)  # of the wall clock; less is its usual correction
_log = logging.getLogger("edaphon")


class Threads:
    """The parts of a service that have a thread each; `problem` is what is wrong, by its part."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.problem: dict[str, str] = {}
        self._failed_s: dict[str, float] = {}  # monotonic [s]
        self._threads: list[threading.Thread] = []

    def run(self, name: str, life: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._supervise, args=(name, life), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, within_s: float) -> None:
        until = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    @property
    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _supervise(self, name: str, life: Callable[[], None]) -> None:
        """The one place that catches everything: name it, report it once, begin again."""
        wait_s = FAILED_WAIT_S[0]
        while not self.stop.is_set():
            try:
                life()
                return
            except BaseException as error:  # a panic of a library is no Exception; others go on
                if isinstance(error, ORDERS) and self.stop.is_set():
                    return
                words = f"{type(error).__name__}: {error}"
                self.report(name, f"failed and begins again: {words}")
                self._failed_s[name] = time.monotonic()
                _log.debug("%s", name, exc_info=True)
                self.stop.wait(wait_s)
                wait_s = min(2 * wait_s, FAILED_WAIT_S[1])

    def failing(self) -> dict[str, str]:
        """Parts of the service that failed lately, and why; one that runs since is back."""
        for name, failed_s in list(self._failed_s.items()):
            if time.monotonic() - failed_s > RECOVERED_S:
                del self._failed_s[name]
                self.report(name, None)
        names = [*self._failed_s, "series"]
        return {name: self.problem[name] for name in names if name in self.problem}

    def report(self, who: str, what: str | None) -> None:
        """Once when something is lost, once when it is back."""
        if what is None:
            if self.problem.pop(who, None) is not None:
                _log.warning("%s is back", who)
        elif who not in self.problem:
            self.problem[who] = what
            _log.warning("%s: %s", who, what)


class Interval(BaseTrigger):  # type: ignore[misc]  # no types in APScheduler
    """Due each `every_s`, and `retry_s` after a run that failed, by the monotonic clock."""

    def __init__(self, every_s: float, first_s: float, retry_s: float) -> None:
        self._every_s, self._retry_s = every_s, min(every_s, retry_s)
        self._due_s = time.monotonic() + first_s

    @property
    def left_s(self) -> float:
        return self._due_s - time.monotonic()

    def try_again(self) -> None:
        self._due_s = time.monotonic() + self._retry_s

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """For APScheduler, which asks twice for each run; the run may have failed meanwhile."""
        if previous is not None and self.left_s <= STEP.total_seconds():
            self._due_s = time.monotonic() + self._every_s
        return now + timedelta(seconds=max(0.0, self.left_s))


class MonotonicStore(MemoryJobStore):  # type: ignore[misc]
    """APScheduler compares due times with the wall clock: here they follow each step of it."""

    def get_due_jobs(self, now: datetime) -> list[Job]:
        for job in self.get_all_jobs():
            due = now + timedelta(seconds=job.trigger.left_s)
            if abs(job.next_run_time - due) > STEP:
                job.modify(next_run_time=due)
        return list(super().get_due_jobs(now))


class JobState:
    """What the last run of a job gave; all times are monotonic [s]."""

    def __init__(self, do: Callable[[], str | None], trigger: Interval) -> None:
        self.trigger, self.begun_s, self.ended_s = trigger, 0.0, 0.0
        self.is_running, self.result = False, ""
        self._do = do

    def __call__(self) -> str | None:
        self.is_running, self.begun_s = True, time.monotonic()
        try:
            return self._do()
        finally:
            self.is_running, self.ended_s = False, time.monotonic()

    def row(self, now_ns: int) -> dict[str, Any]:
        """For `status`; the times are those of the wall clock as it is set now."""
        now_s = time.monotonic()
        return {
            "last_ns": now_ns - round((now_s - self.begun_s) * 1e9) if self.begun_s else None,
            "next_ns": now_ns + round(self.trigger.left_s * 1e9),
            "running": self.is_running,
            "result": self.result,
        }


class Jobs:
    """Jobs of a minute and longer; each runs on time whatever happens to the wall clock.

    A job returns what went wrong where it has reported that itself, else it raises. `start` and
    `stop` are called once each.
    """

    def __init__(self, report: Callable[[str, str | None], None]) -> None:
        self._report = report
        self._states: dict[str, JobState] = {}
        logging.getLogger("apscheduler.executors.default").setLevel(logging.CRITICAL)
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": MonotonicStore()},
            executors={"default": ThreadPoolExecutor(AT_ONCE, {"thread_name_prefix": "job"})},
            # A late job runs all the same, once; one that still runs is not begun twice.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._ended, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    def add(
        self,
        name: str,
        do: Callable[[], str | None],
        every_s: float,
        first_s: float | None = None,
        retry_s: float = math.inf,
    ) -> None:
        """The first run is `first_s` after this call, None: as all others after `every_s`."""
        trigger = Interval(every_s, every_s if first_s is None else first_s, retry_s)
        state = self._states[name] = JobState(do, trigger)
        self._scheduler.add_job(state, trigger, id=name, name=name)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """No job begins any more; one that runs is not waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def wake(self) -> None:
        """The wall clock was set: due times are shown by its new time."""
        if self._scheduler.running:
            self._scheduler.wakeup()

    def join(self, within_s: float) -> None:
        until = time.monotonic() + within_s
        while not self.is_over and time.monotonic() < until:
            time.sleep(0.01)

    @property
    def is_over(self) -> bool:
        return not any(state.is_running for state in self._states.values())

    def rows(self, now_ns: int) -> list[dict[str, Any]]:
        """Each job for `status`, at that time of the wall clock."""
        return [{"name": name, **state.row(now_ns)} for name, state in self._states.items()]

    def _ended(self, event: JobExecutionEvent) -> None:
        state, error = self._states[event.job_id], event.exception
        words = f"{type(error).__name__}: {error}" if error else event.retval
        state.result = f"failed: {words}" if words else "ok"
        if words:
            state.trigger.try_again()
            self.wake()
        self._report(f"job {event.job_id}", f"failed and runs again: {words}" if error else None)
