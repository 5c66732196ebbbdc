"""Threads that begin again when they fail, and jobs at intervals, whatever the wall clock does."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from apscheduler.schedulers import base
from apscheduler.schedulers.background import BackgroundScheduler

from edaphon.journal.guard import ORDERS

FAILED_WAIT_S = 1.0, 60.0  # before a part that failed begins again, and at most
RECOVERED_S = 3 * FAILED_WAIT_S[1]
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


class Housekeeping:
    """`start` and `stop` are called once each; call `wake` every few seconds."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._every: dict[str, timedelta] = {}

    def add(self, job: Callable[[], None], every_s: float) -> None:
        added = self._scheduler.add_job(
            job,
            "interval",
            seconds=every_s,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,  # a job that is late because of a step runs all the same
        )
        self._every[added.id] = timedelta(seconds=every_s)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def wake(self) -> None:
        """Run now what a clock that was set has made late, or due later than its interval."""
        if not self._scheduler.running:
            return
        now = base.datetime.now(self._scheduler.timezone)
        for job in self._scheduler.get_jobs():
            if not now <= job.next_run_time <= now + self._every[job.id]:
                job.modify(next_run_time=now)  # wakes the scheduler too
