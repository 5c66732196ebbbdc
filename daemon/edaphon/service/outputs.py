"""All that observations go out to: what a running service keeps of each sink and is asked of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edaphon.config import SinkTable
from edaphon.journal import SetAside, StateFile
from edaphon.sinks.delivery import Delivery
from edaphon.sinks.feed import EVER, SeriesFeed
from edaphon.sinks.sink import sink_kind

if TYPE_CHECKING:
    from edaphon.acquire.broker import BrokerReader

__all__ = [
    "SinkParts",
    "broker_words",
    "dead_letter_words",
    "moved",
    "refusals",
    "resend",
    "retry",
    "set_aside_words",
]


REFUSALS = 100  # kinds of refusal that are listed for a sink
DEAD_FEW, DEAD_SHARE, DEAD_MANY = 100, 0.01, 10_000


@dataclass(slots=True)
class SinkParts:
    config: SinkTable
    feed: SeriesFeed
    delivery: Delivery


def moved(state: StateFile, config: SinkTable, cursor: int) -> bool:
    """Whether the sink has another place than in the last life, which is noted for the next.

    Where the state file was lost since, that is not known, nor which points it had refused.
    """
    settings: Any = sink_kind(config.kind).Settings.model_validate(config.settings)
    key, place = f"sink {config.name} place", f"{config.kind} {settings.place}"
    known = state.get(key)
    if known != place:
        state.put(key, place)
    return known != place and (known is not None or cursor > 0)


def retry(sinks: Mapping[str, SinkParts], name: str = "") -> dict[str, int]:
    """Offer again what is set aside; how many points, for each sink. KeyError: no such sink."""
    chosen = {name: sinks[name]} if name else sinks
    return {each: parts.delivery.offer_all() for each, parts in chosen.items()}


def resend(sinks: Mapping[str, SinkParts], name: str, since_ns: int = EVER) -> None:
    """Send everything from that time on once more. KeyError: no such sink."""
    parts = sinks[name]
    parts.feed.send_again(since_ns)
    parts.delivery.wake()


def set_aside_words(set_aside: Mapping[str, int]) -> Iterator[str]:
    """What a person should know of points that sinks refuse."""
    for name, n in set_aside.items():
        if n:
            points = "point is" if n == 1 else "points are"
            yield (
                f"sink {name}: {n} {points} set aside, because the server refuses them; see its"
                f" words with `edaphon sink list`, then `edaphon sink retry {name}`"
            )


def refusals(points: Sequence[SetAside]) -> list[dict[str, Any]]:
    """Refused points by channel and the server's words, the most frequent first."""
    found: dict[tuple[str, str], list[int]] = {}
    for point in points:
        found.setdefault((point.channel, point.words), []).append(point.time_ns)
    rows: list[dict[str, Any]] = [
        {"channel": c, "words": w, "n": len(t), "first_ns": min(t), "last_ns": max(t)}
        for (c, w), t in found.items()
    ]
    return sorted(rows, key=lambda row: -int(row["n"]))[:REFUSALS]


def dead_letter_words(dead: int, of: int) -> Iterator[str]:
    """A few dead letters of many records are no problem: a test message, another port."""
    if dead >= DEAD_MANY or (dead >= DEAD_FEW and dead >= DEAD_SHARE * of):
        yield (
            f"entries: {dead} dead letters of {of} records could not be decoded; the log of the"
            " daemon names source and reason of each kind"
        )


def broker_words(readers: "Mapping[str, BrokerReader]") -> Iterator[str]:
    """What a connected broker did to messages since the start."""
    for name, reader in sorted(readers.items()):
        if n := reader.link.state.lost_sessions:
            yield (
                f"broker {name}: it forgot the session of this client {n} times since the start:"
                " messages that waited there are lost; see its persistence settings"
                " (deploy/mosquitto/edaphon.conf)"
            )
        if n := reader.link.state.refused_topics:
            yield f"broker {name}: it refuses {n} of the topics; see its access list"
