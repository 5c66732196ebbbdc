"""All that observations go out to: what a running service keeps of each sink and is asked of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edaphon.config import Sink as SinkConfig
from edaphon.journal import SetAside, StateFile
from edaphon.sinks.delivery import Delivery
from edaphon.sinks.feed import EVER, SeriesFeed
from edaphon.sinks.sink import sink_kind

REFUSALS = 100  # kinds of refusal that are listed for a sink


@dataclass(slots=True)
class SinkParts:
    config: SinkConfig
    feed: SeriesFeed
    delivery: Delivery


def moved(state: StateFile, config: SinkConfig, cursor: int) -> bool:
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
