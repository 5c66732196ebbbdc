"""The account of a scheduled source: every slot has one record or lies in one gap run."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from edaphon.journal import Entry, JournalReader, Kind
from edaphon.nouns import Sequence as Place

__all__ = ["SERVICE_OFF", "Gap", "SlotAccount", "accounts_of"]

SERVICE_OFF = "service off"
Saved = tuple[tuple[int, int], Mapping[str, Any], str]  # place, accounts, boot


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of slots without a record, all of one cause; it is open while it may grow."""

    cause: str
    first_ns: int
    last_ns: int
    n: int
    state: str = "open"
    detail: str = ""
    garbled: str = ""  # hex: what came instead of an answer, at the first slot

    def payload(self) -> bytes:
        table = {name: getattr(self, name) for name in Gap.__slots__}
        return orjson.dumps(table, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def of_payload(cls, payload: bytes) -> "Gap":
        table: dict[str, Any] = orjson.loads(payload)
        return cls(**table)


@dataclass(slots=True)
class SlotAccount:
    """What became of the slots of one source; it says which gap entries to write."""

    source: str
    last_ns: int | None = None  # the latest slot that is accounted for
    gap: Gap | None = None

    def has(self, slot_ns: int) -> bool:
        """Whether that slot has its record or gap already: then the clock was set back."""
        return self.last_ns is not None and slot_ns <= self.last_ns

    def record(self, slot_ns: int) -> list[Gap]:
        """A record came: a gap that was open ends."""
        self._reach(slot_ns)
        return self.close()

    def miss(self, slot_ns: int, cause: str, detail: str = "", garbled: bytes = b"") -> list[Gap]:
        """No record came: a gap of that cause begins, or grows without a word."""
        return self.miss_run((slot_ns,), cause, detail, garbled)

    def miss_run(
        self, slots_ns: Sequence[int], cause: str, detail: str = "", garbled: bytes = b""
    ) -> list[Gap]:
        """As `miss`, of slots in a row."""
        if not slots_ns:
            return []
        first, last, n = slots_ns[0], slots_ns[-1], len(slots_ns)
        self._reach(last)
        if self.gap is not None and self.gap.cause == cause:
            self.gap = replace(self.gap, last_ns=last, n=self.gap.n + n)
            return []
        ended = self.close()
        self.gap = Gap(cause, first, last, n, "open", detail, garbled[:1024].hex())
        return [*ended, self.gap]

    def close(self) -> list[Gap]:
        if self.gap is None:
            return []
        ended, self.gap = replace(self.gap, state="closed"), None
        return [ended]

    def follow(self, entry: Entry) -> None:
        """Take over what a kept entry of this source tells."""
        if entry.kind == Kind.GAP:
            gap = Gap.of_payload(entry.payload)
            self.gap = gap if gap.state == "open" else None
            self._reach(gap.last_ns)
        elif entry.slot_ns is not None:
            self._reach(entry.slot_ns)
            self.gap = None

    def _reach(self, slot_ns: int) -> None:
        # A measurement may end after later slots were missed because of it.
        self.last_ns = slot_ns if self.last_ns is None else max(self.last_ns, slot_ns)

    def to_json(self) -> dict[str, Any]:
        gap = orjson.loads(self.gap.payload()) if self.gap is not None else None
        return {"last_ns": self.last_ns, "gap": gap}

    @classmethod
    def of_json(cls, source: str, table: Mapping[str, Any]) -> "SlotAccount":
        gap = Gap(**table["gap"]) if table["gap"] is not None else None
        return cls(source, table["last_ns"], gap)

    def service_off(self, slots_ns: Sequence[int], alive_until_ns: int) -> list[Gap]:
        """After a start: the slots since the last account, by whether the service still ran.

        While a gap was open and the service alive, the gap went on; later slots nobody served.
        """
        alive = 0
        if self.gap is not None and self.gap.cause != SERVICE_OFF:
            alive = bisect_right(slots_ns, alive_until_ns)
            self.miss_run(slots_ns[:alive], self.gap.cause)  # it grows without a word
        return self.miss_run(slots_ns[alive:], SERVICE_OFF)


def accounts_of(
    saved: Saved | None, journal: JournalReader, up_to: Place | None = None
) -> dict[str, SlotAccount]:
    """The accounts as they were saved, with what the journal has told since, up to a place.

    Each account is saved with its own time: what was written before that, it knows.
    """
    place, tables, boot = saved or (None, {}, "")
    accounts = {path: SlotAccount.of_json(path, table) for path, table in tables.items()}
    start = Place(*place) if place is not None else None
    told = journal.scan(kinds={Kind.RECORD, Kind.GAP}, start=start, on_damage=lambda _: None)
    for sequence, entry in told:
        if up_to is not None and sequence > up_to:
            break
        if entry.kind == Kind.GAP or entry.slot_ns is not None:
            known = tables.get(entry.source)
            if known is None or entry.boot != boot or entry.mono_ns > known["mono_ns"]:
                account = accounts.setdefault(entry.source, SlotAccount(entry.source))
                account.follow(entry)
    return accounts
