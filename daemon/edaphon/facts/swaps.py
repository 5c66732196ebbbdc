"""Which instruments contradict the deployments by their serial numbers, and what explains that."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edaphon.facts.knowledge import Knowledge
from edaphon.toml_input.values import instant_text

__all__ = ["Contradiction", "contradictions", "deployed_sensors", "explanations"]


class Contradiction(NamedTuple):
    """A source where another serial number answers than the deployments say."""

    path: str
    expected: str
    reported: str
    explanation: str

    @property
    def words(self) -> str:
        return f"{self.path}: expected sensor {self.expected}, {self.reported} answers; " + (
            self.explanation
        )


def deployed_sensors(knowledge: Knowledge, now_ns: int) -> dict[str, str]:
    """The sensor at each path at that time [UTC ns], where deployments name one."""
    found: dict[str, str] = {}
    for deployment in knowledge.deployments:
        if deployment.sensor is not None and deployment.covers(now_ns):
            found.setdefault(deployment.source, deployment.sensor)
    return found


def _begun(knowledge: Knowledge, now_ns: int) -> dict[str, int]:
    """Since when the sensor at each path is there, where deployments say so [UTC ns]."""
    found: dict[str, int] = {}
    for deployment in knowledge.deployments:
        if deployment.sensor is not None and deployment.covers(now_ns):
            found.setdefault(deployment.source, deployment.from_ns or -(2**63))
    return found


def contradictions(
    reported: Mapping[str, str],
    knowledge: Knowledge,
    now_ns: int,
    told_ns: Mapping[str, int] | None = None,
) -> tuple[Contradiction, ...]:
    """`told` are the serial numbers that instruments gave, by path; "" is no answer to that.

    `told_ns` says when [UTC ns]: what was told before a deployment began says nothing of it.
    """
    deployed = deployed_sensors(knowledge, now_ns)
    begun = _begun(knowledge, now_ns)
    reported = {
        path: serial
        for path, serial in reported.items()
        if (told_ns or {}).get(path, now_ns) >= begun.get(path, -(2**63))
    }
    wrong = {
        path: serial
        for path, serial in sorted(reported.items())
        if serial and deployed.get(path, serial) != serial
    }
    latest = instant_text(now_ns - now_ns % 60_000_000_000)
    return tuple(
        Contradiction(
            path, deployed[path], serial, _explained(path, reported, wrong, deployed, latest)
        )
        if serial in deployed.values() or _is_twice(serial, reported)
        else Contradiction(
            path, deployed[path], serial, _exchanged(serial, deployed[path], knowledge, latest)
        )
        for path, serial in wrong.items()
    )


def explanations(found: tuple[Contradiction, ...]) -> tuple[str, ...]:
    """A sentence for each thing that happened: a swap of two probes is one, not two."""
    paths: dict[str, list[str]] = {}
    for one in found:
        paths.setdefault(one.explanation, []).append(
            f"{one.path} has {one.reported} instead of {one.expected}"
        )
    return tuple(f"{', '.join(where)}: {what}" for what, where in paths.items())


def _explained(
    path: str,
    reported: Mapping[str, str],
    wrong: Mapping[str, str],
    deployed: Mapping[str, str],
    latest: str,
) -> str:
    """Where the sensor that answers here belongs, and what answers there."""
    twice = sorted(p for p, serial in reported.items() if serial == reported[path])
    if len(twice) > 1:
        return (
            f"{reported[path]} answers at {_listed(twice)}: one probe is asked through two sources"
        )
    ring = list(_ring(path, wrong, deployed))
    if ring:
        first = ring.index(min(ring))
        places = _listed(ring[first:] + ring[:first])
        return (
            f"{places} tell each other's serial numbers: the probes or their addresses are "
            f"swapped; swap them back, or enter deployments from the time of the swap "
            f"({latest} at the latest)"
        )
    home = _home(reported[path], deployed)
    return (
        f"{reported[path]} belongs at {home}, where {reported.get(home) or 'nobody'} answers:"
        " it was moved "
        f"or its address was changed; put it back, or enter deployments from the time of the move "
        f"({latest} at the latest)"
    )


def _exchanged(serial: str, before: str, knowledge: Knowledge, latest: str) -> str:
    known = serial in knowledge.sensors
    what = f"{serial}, which is deployed nowhere," if known else f"a new sensor {serial}"
    enter = "[[deployment]]" if known else "[[sensor]] and [[deployment]]"
    return (
        f"{what} stands where {before} was; enter {enter} from the time of the exchange "
        f"({latest} at the latest)"
    )


def _ring(path: str, wrong: Mapping[str, str], deployed: Mapping[str, str]) -> Iterator[str]:
    """The paths of a swap, each having the next one's sensor; nothing when it does not close."""
    places = [path]
    while (home := _home(wrong.get(places[-1], ""), deployed)) and home not in places:
        places.append(home)
    if home == path:
        yield from places


def _home(serial: str, deployed: Mapping[str, str]) -> str:
    return next((path for path, sensor in deployed.items() if sensor == serial), "")


def _is_twice(serial: str, reported: Mapping[str, str]) -> bool:
    return sum(one == serial for one in reported.values()) > 1


def _listed(paths: list[str]) -> str:
    return f"{', '.join(paths[:-1])} and {paths[-1]}"
