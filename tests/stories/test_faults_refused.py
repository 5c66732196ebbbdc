"""A disk that refuses: full, or failing, from each of the first 300 operations on.

A full disk refuses what needs room and takes the rest; a failing one refuses one operation, or all
from there on. Then it is well again, and nothing that was acknowledged is missing.
"""

import errno
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.stories.disk_cases import Lives, laid_station, recorded
from tests.stories.disk_replay import built_shim
from tests.stories.load import LONG, Spread, table

from edaphon.databases import StorageFault

OPERATIONS = 300
FOR_GOOD = 10**9
AT_A_TIME = 8 if LONG else 6
EVERY, ROOM, INODES, WRITES = "wsotrumf", "wotrmf", "om", "w"
STARTS = ("new folder", "old folder")


class Case(NamedTuple):
    """The operations of `kinds` that are refused, `times` of them from number `at` on."""

    start: str
    error: int
    kinds: str
    times: int
    at: int


FAULTS = (
    (errno.ENOSPC, ROOM, FOR_GOOD),
    (errno.EIO, EVERY, FOR_GOOD),
    (errno.EIO, EVERY, 1),
)
FULL_BEFORE = [
    Case("old folder", errno.ENOSPC, ROOM, FOR_GOOD, 1),
    Case("old folder", errno.ENOSPC, INODES, FOR_GOOD, 1),
    Case("new folder", errno.ENOSPC, INODES, FOR_GOOD, 1),
]


def cases() -> Iterator[Case]:
    yield from FULL_BEFORE
    step = 1 if LONG else 97
    for at in range(1 if LONG else 20, OPERATIONS + 1, step):
        for start in STARTS:
            yield from (Case(start, *fault, at) for fault in FAULTS)
    if LONG:  # the writes alone, as many of them as there are operations above
        for at in range(1, OPERATIONS + 1):
            yield Case("new folder", errno.EIO, WRITES, 1, at)


def wrong_with(case: Case, found: dict[str, Any]) -> list[str]:
    """A start may end with code 75 and one line where the disk fails, or no folder can be made."""
    wrong = list(found["wrong"])
    if found.get("ended"):
        log = found["log"].strip()
        if found["code"] != 75 or "expected a storage folder" not in log:
            wrong.append(f"ended with {found['code']}: {log}")
        new_on_full = case.start == "new folder" and "[Errno 28]" in log
        if case.error == errno.ENOSPC and not new_on_full:
            wrong.append(f"a full disk ended the start: {log}")
    status = found.get("status", [])
    silent = not any(StorageFault.FULL in words for words in status)
    if status and case.error == errno.ENOSPC and silent:
        wrong.append(f"`status` does not say that the disk is full: {status}")
    return wrong


@pytest.mark.timeout(7200)
def test_a_disk_that_refuses_any_operation_loses_nothing_that_was_acknowledged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shim = built_shim(tmp_path)
    old, _ = recorded(tmp_path, shim)
    numbers = count()

    def lay(case: Case) -> tuple[Path, dict[str, Any]]:
        folder = laid_station(tmp_path / f"c{next(numbers)}", old)
        if case.start == "old folder":
            left_out = shutil.ignore_patterns("*.sock")
            shutil.copytree(old.storage, folder / "storage", ignore=left_out)
        words = {"kinds": case.kinds, "errno": case.error, "at": case.at, "times": case.times}
        return folder, words

    with Lives(AT_A_TIME, shim) as lives:
        found = list(lives.run(cases(), lay))
    failed = [f"{case}: {wrong}" for case, one in found if (wrong := wrong_with(case, one))]
    again = [one["again_s"] for _, one in found if "again_s" in one]
    rows = [
        ("disks that refused", len(found), ""),
        ("with a loss, a traceback or silence", len(failed), ""),
        ("started, and recorded again", sum(not one.get("ended") for _, one in found), ""),
        ("ended with code 75 and a line", sum(one.get("ended", False) for _, one in found), ""),
        ("commits failed meanwhile", sum(bool(one.get("status")) for _, one in found), ""),
        ("recorded again after [s]", Spread(again)),
        ("the next start [s]", Spread([one["start_s"] for _, one in found if "start_s" in one])),
    ]
    table(capfd, f"refused operations: the first {OPERATIONS}", rows)
    assert not failed, "\n".join(failed[:20])
