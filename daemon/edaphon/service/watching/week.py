"""What came in during the last week: counts of each day are kept, also over a restart."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edaphon.alerts.look import Week
from edaphon.clock import DAY_NS

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["Days"]

DAYS = 7


class Days:
    """By UTC day since 1970, how many records and missed measurements there were at its begin."""

    def __init__(self) -> None:
        self._days: dict[int, tuple[int, int]] = {}

    def look(self, service: "Service", now_ns: int) -> None:
        day = now_ns // DAY_NS
        if day not in self._days:
            kept = {d: n for d, n in self._days.items() if day - DAYS <= d < day}
            self._days = {**kept, day: _counts(service)}

    def week(self, service: "Service") -> Week:
        """Since the oldest day that is known, a week at most."""
        records, missed = _counts(service)
        before = self._days[min(self._days)] if self._days else (records, missed)
        days = service.room().days
        return Week(max(0, records - before[0]), max(0, missed - before[1]), days)

    def save(self) -> list[list[int]]:
        return [[day, *counts] for day, counts in self._days.items()]

    def restore(self, table: Any) -> None:
        self._days = {int(day): (int(records), int(missed)) for day, records, missed in table}


def _counts(service: "Service") -> tuple[int, int]:
    gaps: Mapping[str, int] = service.deriver.state.gaps
    growing = sum(gap.n for gap in service.inlets.open_gaps)
    return service.deriver.journalled, sum(gaps.values()) + growing
