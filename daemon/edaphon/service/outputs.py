"""All that observations go out to: what a running service keeps of each sink and is asked of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from edaphon.clock import SystemClock
from edaphon.config import Sink as SinkConfig
from edaphon.journal import SetAside, StateFile
from edaphon.model import Channel
from edaphon.series import Series
from edaphon.sinks.delivery import Delivery, State
from edaphon.sinks.feed import EVER, SeriesFeed
from edaphon.sinks.sink import Sink, sink_kind

REFUSALS = 100  # kinds of refusal that are listed for a sink


@dataclass(frozen=True, slots=True)
class SinkParts:
    config: SinkConfig
    feed: SeriesFeed
    delivery: Delivery


class Outputs:
    """The sinks of a service; `follow` begins them all, on another series once more."""

    def __init__(
        self,
        configs: Sequence[SinkConfig],
        state: StateFile,
        report: Callable[[str, str | None], None],
    ) -> None:
        self._configs, self._state, self._report = configs, state, report
        self.sinks: dict[str, SinkParts] = {}

    def follow(self, series: Series, channels: Mapping[str, Channel]) -> None:
        for config in self._configs:
            feed = SeriesFeed(config.name, series, channels, self._state)
            delivery = Delivery(
                config.name,
                partial(opened_sink, config, channels),
                feed,
                self._state,
                SystemClock(),
                self._on_sink,
            )
            self.sinks[config.name] = SinkParts(config, feed, delivery)
            if moved(self._state, config, feed.cursor):
                feed.send_again()
            delivery.start()

    def _on_sink(self, state: State) -> None:
        self._report(f"sink {state.sink}", None if state.up else state.why)

    def wake(self) -> None:
        for parts in self.sinks.values():
            parts.delivery.wake()

    def stop(self, each_within_s: float) -> None:
        for parts in self.sinks.values():
            parts.delivery.stop(each_within_s)

    def keep_up(self) -> bool:
        """Those that are lost do not count: nothing waits for a server."""
        return all(p.feed.keeps_up for p in self.sinks.values() if p.delivery.state.up)

    @property
    def cursors(self) -> dict[str, int]:
        """By sink, the change of the series up to which all is delivered."""
        return {name: parts.feed.cursor for name, parts in self.sinks.items()}


def opened_sink(config: SinkConfig, channels: Mapping[str, Channel]) -> Sink:
    kind = sink_kind(config.kind)
    return kind.open_sink(kind.Settings.model_validate(config.settings), channels)


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
