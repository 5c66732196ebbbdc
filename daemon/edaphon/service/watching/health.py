"""The service's own health as rows in InfluxDB: measurement `edaphon_health`.

One row of the service, and one of each source with its age. A rule of the server's side says that
the service is dead when no row came for three hours.
"""

from edaphon.alerts.heartbeat import Beat
from edaphon.sinks.lines import escaped_tag
from edaphon.sinks.sink import Sink, TakesLines

__all__ = ["HealthRows", "health_lines"]

MEASUREMENT = "edaphon_health"


class HealthRows:
    """See Mouth; `sink` is one of its own, or a full one would keep the rows waiting."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def beat(self, beat: Beat) -> None:
        if isinstance(self._sink, TakesLines):
            self._sink.write_lines(health_lines(beat))

    def close(self) -> None:
        self._sink.close()


def health_lines(beat: Beat) -> bytes:
    """Line protocol; every number is a float, and an age that nobody knows is absent."""
    head = f"{MEASUREMENT},logger={escaped_tag(beat.logger)},site={escaped_tag(beat.site)}"
    ages = [age for age in beat.ages_s.values() if age is not None]
    fields = {
        "open_incidents": float(beat.open_incidents),
        "undelivered": float(beat.undelivered),
        **({"newest_age_s": min(ages), "oldest_age_s": max(ages)} if ages else {}),
    }
    written = ",".join(f"{name}={value!r}" for name, value in fields.items())
    lines = [f"{head} {written} {beat.time_ns}"]
    lines += [
        f"{head},source={escaped_tag(path)} age_s={float(age)!r} {beat.time_ns}"
        for path, age in sorted(beat.ages_s.items())
        if age is not None
    ]
    return ("\n".join(lines) + "\n").encode()
