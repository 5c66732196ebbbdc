"""Jobs at intervals that go on when the wall clock is set: APScheduler waits for its old time."""

from collections.abc import Callable
from datetime import timedelta

from apscheduler.schedulers import base
from apscheduler.schedulers.background import BackgroundScheduler


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
