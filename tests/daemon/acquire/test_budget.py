"""Budgets: no instrument ever meets its own, and nobody who floods fills the disk."""

import orjson
import pytest

from edaphon.acquire.budget import CATCH_UP_DAYS, ROW_BYTES, Budgets

DAY_S = 86_400
GB = 10**9
CARD = 20 * GB  # free


class Disk:
    """A disk that what is kept fills, and a clock."""

    def __init__(self, free: int = CARD, sources: int = 1, a_day: int = 500_000_000) -> None:
        self.free, self.now_s = free, 0.0
        self.budgets = Budgets(a_day, 64_000_000, sources, lambda: self.free, lambda: self.now_s)

    def send(self, path: str, total: int, item: int, seconds: float = 0.0) -> int:
        """Bytes that are kept of `total`, sent in items evenly over some seconds."""
        items, kept = total // item, 0
        for _ in range(items):
            self.now_s += seconds / items
            if self._takes(path, item):
                kept += item
                self.free = max(0, self.free - item)
        return kept

    def _takes(self, path: str, item: int) -> bool:
        if path.startswith("?"):
            return self.budgets.takes_unknown(path, item)
        return self.budgets.takes(path, item)


def test_a_stream_of_20_lines_a_second_is_kept_for_a_month():
    disk = Disk(free=60 * GB)
    a_day = 20 * 200 * DAY_S
    assert disk.send("tcp/0", 30 * a_day, a_day // 100, 30 * DAY_S) == 30 * a_day // (
        a_day // 100
    ) * (a_day // 100)


def test_half_a_year_of_a_gateway_with_hundreds_of_nodes_is_caught_up_at_once():
    disk = Disk(sources=300)
    own = 180 * 144 * (400 + ROW_BYTES)  # of each node, half a year at one in ten minutes
    assert all(disk.send(f"ttn/{n}", own, own // 50) == own // 50 * 50 for n in range(300))


def test_one_source_that_floods_takes_a_day_and_what_catching_up_may_take():
    disk = Disk()
    assert disk.send("local/a", 30 * GB, 1_000_000) == (1 + CATCH_UP_DAYS) * 500_000_000
    assert disk.send("local/b", 300_000_000, 1_000_000) == 300_000_000  # another one has its own


def test_all_sources_together_leave_most_of_the_disk():
    disk = Disk(sources=100)
    for n in range(100):
        disk.send(f"local/{n}", 5 * GB, 10_000_000)
    assert disk.free > CARD / 2


def test_what_nobody_configured_has_a_small_share_of_the_disk():
    disk = Disk()
    assert disk.send("?local", GB, 100_000) <= 64_100_000
    assert disk.send("?local", GB, 100_000, DAY_S) <= 64_200_000
    small = Disk(free=GB)
    assert small.send("?local", 20_000_000, 1000) <= GB / 256 + 1000


def test_a_year_of_floods_by_strangers_leaves_room_on_any_disk():
    disk = Disk(free=4 * GB)
    for _ in range(365):
        disk.now_s += DAY_S
        disk.send("?local", 100_000_000, 1_000_000)
    assert disk.free > GB / 2


def test_a_disk_without_room_keeps_nothing_of_strangers_and_still_a_day_of_each_source():
    disk = Disk(free=0)
    assert disk.send("?local", 1_000_000, 1000) == 0
    assert disk.send("local/a", 2_000_000, 1000) == 2_000_000


@pytest.mark.parametrize("backlog", [False, True])
def test_half_of_what_a_file_source_has_is_for_what_is_written_now(backlog):
    disk = Disk(free=0, a_day=1_000_000)
    kept = 0
    while disk.budgets.has_room("file/x", backlog):
        disk.budgets.spend("file/x", 1000, backlog)
        kept += 1000
    assert kept == (4_500_000 if backlog else 5_000_000)


def test_a_restart_fills_no_bucket():
    disk = Disk()
    disk.send("local/a", 30 * GB, 1_000_000)
    disk.send("?local", GB, 100_000)
    saved = orjson.loads(orjson.dumps(disk.budgets.save()))
    disk = Disk()
    disk.budgets.restore(saved, 0.0)
    assert disk.send("local/a", GB, 1_000_000) == disk.send("?local", GB, 100_000) == 0
    assert disk.send("local/b", 400_000_000, 1_000_000) == 400_000_000
    disk = Disk()
    disk.budgets.restore(saved, DAY_S)
    assert disk.send("?local", GB, 100_000) == pytest.approx(64_000_000, abs=200_000)
    disk = Disk()
    disk.budgets.restore(saved, -DAY_S)  # the clock is not set yet
    assert disk.send("?local", GB, 100_000) == 0
