"""Facts and configurations that were lost in both copies, and the channels that wait for a person.

An entry that can't be read is not one that was never made. What the plan says without it is
compared with the plan that was kept with the series: channels that differ keep what they have, and
nothing new is derived for them until the fact is entered again or the loss is acknowledged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edaphon.derive.checkpoint import extents_of_json
from edaphon.derive.fact_log import recalled
from edaphon.derive.plan import Extent, Plan, changed_ranges
from edaphon.journal import JournalReader
from edaphon.journal.salvage import acknowledged_places
from edaphon.model import EntryId

__all__ = ["Doubt", "doubt_words", "doubtful_places"]


@dataclass(frozen=True)
class Doubt:
    """`kept` are the extents that stand, by channel; `all` where nothing tells which channels."""

    places: frozenset[EntryId] = frozenset()
    kept: Mapping[str, tuple[Extent, ...]] | None = None
    all: bool = False

    @classmethod
    def of(cls, places: frozenset[EntryId], table: Mapping[str, Any] | None, plan: Plan) -> "Doubt":
        """`table` is the checkpoint, `plan` what is known up to it without those places."""
        if not places:
            return cls()
        if table is None:
            return cls(places, {}, all=True)
        before = extents_of_json(table["extents"])
        return cls(places, {c: before.get(c, ()) for c in changed_ranges(before, plan.extents)})

    def holds(self, channel: str) -> bool:
        return self.all or channel in (self.kept or {})

    def settled_by(self, plan: Plan) -> list[str]:
        """The channels of which the plan says again what stands."""
        kept = self.kept or {}
        return [channel for channel, own in kept.items() if plan.extents.get(channel, ()) == own]

    def without(self, channels: list[str]) -> "Doubt":
        kept = {c: own for c, own in (self.kept or {}).items() if c not in channels}
        return replace(self, kept=kept) if kept or self.all else Doubt()

    def limited(self, plan: Plan) -> Plan:
        """The plan without the channels that wait; what stands of them is theirs still."""
        if not self.places:
            return plan
        routes = {
            path: {
                name: tuple(s for s in own if not self.holds(s.channel))
                for name, own in outputs.items()
            }
            for path, outputs in plan.routes.items()
        }
        extents = {} if self.all else {**plan.extents, **(self.kept or {})}
        return replace(plan, routes=routes, extents=extents)


def doubtful_places(journal: JournalReader, table: Mapping[str, Any] | None) -> frozenset[EntryId]:
    """Places of facts and configurations that neither the journal nor its copies can give."""
    known = {EntryId.of(number) for number in table["meanings"]} if table is not None else set()
    known |= journal.copies.doubtful
    known -= acknowledged_places(journal.copies)
    return frozenset(known.difference(place for place, _ in recalled(journal, sorted(known))))


def doubt_words(doubt: Doubt) -> list[str]:
    """What is lost and what waits for a person; nothing where all can be read."""
    if not doubt.places:
        return []
    places = ", ".join(map(str, sorted(doubt.places)))
    act = "enter it again (`edaphon apply`) or go on without it: `edaphon salvage --acknowledge`"
    if doubt.all:
        act = "enter it again (`edaphon apply`) if you can, then `edaphon salvage --acknowledge`"
    which = "all channels" if doubt.all else ", ".join(sorted(doubt.kept or {})) or "no channel"
    return [
        f"journal: what was entered at {places} (a fact, a calibration or a configuration) can't be"
        f" read, nor its copy. Values of {which} stay as they are and no new ones are derived:"
        f" {act}"
    ]
