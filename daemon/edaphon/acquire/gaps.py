"""The account of a scheduled source: every slot has one record or lies in one gap run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from edaphon.journal import Entry, JournalReader, Kind
from edaphon.nouns import Sequence

__all__ = ["SERVICE_OFF", "Gap", "SlotAccount", "accounts_of"]

SERVICE_OFF = "service off"
Saved = tuple[tuple[int, int] | None, Mapping[str, Any]]


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

    def record(self, slot_ns: int) -> list[Gap]:
        """A record came: a gap that was open ends."""
        self.last_ns = slot_ns
        return self.close()

    def miss(self, slot_ns: int, cause: str, detail: str = "", garbled: bytes = b"") -> list[Gap]:
        """No record came: a gap of that cause begins, or grows without a word."""
        self.last_ns = slot_ns
        if self.gap is not None and self.gap.cause == cause:
            self.gap = replace(self.gap, last_ns=slot_ns, n=self.gap.n + 1)
            return []
        ended = self.close()
        self.gap = Gap(cause, slot_ns, slot_ns, 1, "open", detail, garbled[:1024].hex())
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
            self.last_ns = max(gap.last_ns, self.last_ns or gap.last_ns)
        elif entry.slot_ns is not None:
            self.last_ns = max(entry.slot_ns, self.last_ns or entry.slot_ns)
            self.gap = None

    def to_json(self) -> dict[str, Any]:
        gap = orjson.loads(self.gap.payload()) if self.gap is not None else None
        return {"last_ns": self.last_ns, "gap": gap}

    @classmethod
    def of_json(cls, source: str, table: Mapping[str, Any]) -> "SlotAccount":
        gap = Gap(**table["gap"]) if table["gap"] is not None else None
        return cls(source, table["last_ns"], gap)

    def service_off(self, slots_ns: list[int], alive_until_ns: int) -> list[Gap]:
        """After a start: the slots since the last account, by whether the service still ran.

        While a gap was open and the service alive, the gap went on; later slots nobody served.
        """
        written: list[Gap] = []
        for slot in slots_ns:
            if self.gap is not None and self.gap.cause != SERVICE_OFF and slot <= alive_until_ns:
                self.gap = replace(self.gap, last_ns=slot, n=self.gap.n + 1)
                self.last_ns = slot
            else:
                written.extend(self.miss(slot, SERVICE_OFF))
        return written


def accounts_of(saved: Saved | None, journal: JournalReader) -> dict[str, SlotAccount]:
    """The accounts as they were saved, with what the journal has told since."""
    place, tables = saved or (None, {})
    accounts = {path: SlotAccount.of_json(path, table) for path, table in tables.items()}
    start = Sequence(*place) if place is not None else None
    for _, entry in journal.scan(kinds={Kind.RECORD, Kind.GAP}, start=start):
        if entry.kind == Kind.GAP or entry.slot_ns is not None:
            account = accounts.setdefault(entry.source, SlotAccount(entry.source))
            account.follow(entry)
    return accounts
