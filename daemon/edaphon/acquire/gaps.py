"""The account of a scheduled source: every slot has one record or lies in one gap run."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from edaphon.journal import Entry, Kind

__all__ = ["Gap", "SlotAccount", "open_gaps"]

SERVICE_OFF = "service off"


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


def open_gaps(entries: Iterable[Entry]) -> dict[str, SlotAccount]:
    """The accounts of all sources as the journal tells them, given in its order."""
    accounts: dict[str, SlotAccount] = {}
    for entry in entries:
        if entry.kind == Kind.GAP:
            account = accounts.setdefault(entry.source, SlotAccount(entry.source))
            gap = Gap.of_payload(entry.payload)
            account.gap = gap if gap.state == "open" else None
            account.last_ns = max(gap.last_ns, account.last_ns or gap.last_ns)
        elif entry.kind == Kind.RECORD and entry.slot_ns is not None:
            account = accounts.setdefault(entry.source, SlotAccount(entry.source))
            account.last_ns = max(entry.slot_ns, account.last_ns or entry.slot_ns)
            account.gap = None
    return accounts
