"""Power cuts from the first file operation of a new storage folder on, replayed.

The same with synchronous = NORMAL loses what was acknowledged: so the replays can see a loss.
"""

import random
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from tests.stories.disk_cases import Lives, laid_station, recorded
from tests.stories.disk_replay import Cut, Disk, Operation, built_shim, cuts, laid_out
from tests.stories.load import LONG, Spread, random_of, table
from tests.stories.station import Station

STATES = 3000 if LONG else 30
TRIES_OF_NORMAL = 60


def found_of(
    lives: Lives, folder: Path, station: Station, chosen: list[Cut]
) -> list[tuple[Cut, dict[str, Any]]]:
    numbers = count()

    def lay(cut: Cut) -> tuple[Path, dict[str, Any]]:
        made = laid_station(folder / f"c{next(numbers)}", station)
        laid_out(cut, made)
        return made, {"told": list(cut.acknowledged)}

    return list(lives.run(chosen, lay))


@pytest.mark.timeout(3600)
def test_a_power_cut_after_any_operation_loses_nothing_acknowledged_and_invents_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    station, log = recorded(tmp_path, built_shim(tmp_path))
    chance = random_of("power cuts")
    every = list(cuts(log, station.folder, STATES, str(chance.random())))
    chosen = chance.sample(every, STATES)
    with Lives(8 if LONG else 4) as lives:
        found = found_of(lives, tmp_path, station, chosen)
    failed = [f"after operation {cut.after}: {one['wrong']}" for cut, one in found if one["wrong"]]
    rows = [
        ("states after a power cut", len(chosen), ""),
        ("with a loss, or a ledger open", len(failed), ""),
        ("with a declared loss", sum(bool(one.get("losses")) for _, one in found), ""),
        ("a start [s]", Spread([one["start_s"] for _, one in found if "start_s" in one]), ""),
    ]
    table(capfd, "power cuts from the first operation on", rows)
    assert not failed, "\n".join(failed[:20])


@pytest.mark.timeout(300)
def test_the_same_cuts_of_a_journal_with_synchronous_normal_lose_what_was_acknowledged(
    tmp_path: Path,
) -> None:
    station, log = recorded(tmp_path, built_shim(tmp_path), "NORMAL")
    chosen = list(cuts(log, station.folder, 4 * TRIES_OF_NORMAL, "normal"))
    reported = [cut for cut in chosen if len(cut.acknowledged) > 20]
    chance = random.Random("normal")
    chosen = chance.sample(reported, TRIES_OF_NORMAL)
    lost = False
    with Lives(2) as lives:
        turns = iter(chosen)
        for k in count():
            if lost or not (few := list(islice(turns, 8))):
                break
            (tmp_path / f"t{k}").mkdir()
            found = found_of(lives, tmp_path / f"t{k}", station, few)
            words = [word for _, one in found for word in one["wrong"]]
            lost = any("acknowledged and lost" in word for word in words)
    assert lost


def played(*steps: tuple[str, int, int, bytes]) -> Disk:
    disk = Disk("/r")
    for step in steps:
        disk.do(Operation(*step))
    return disk


def contents(disk: Disk, name: str) -> set[bytes | None]:
    return {disk.after_cut(random.Random(seed)).get(name, b"none") for seed in range(300)}


OPENED = ("o", 1, 0, b"/r/file")
FOLDER = ("o", 2, 0, b"/r")


def test_what_is_not_synchronised_may_be_there_or_not() -> None:
    disk = played(OPENED, ("w", 1, 0, b"a"), ("w", 1, 1, b"b"))
    assert contents(disk, "file") == {b"none", b"", b"a", b"ab", b"\0b"}


def test_a_file_and_its_name_are_synchronised_apart() -> None:
    written = (OPENED, ("w", 1, 0, b"ab"), ("s", 1, 0, b""))
    assert contents(played(*written), "file") == {b"none", b"ab"}
    assert contents(played(*written, FOLDER, ("s", 2, 0, b"")), "file") == {b"ab"}
    assert contents(played(OPENED, FOLDER, ("s", 2, 0, b"")), "file") == {b""}


def test_a_write_is_torn_at_sectors() -> None:
    disk = played(OPENED, FOLDER, ("s", 2, 0, b""), ("w", 1, 0, b"x" * 1024))
    assert bytes(512) + b"x" * 512 in contents(disk, "file")
    assert b"x" * 512 in contents(disk, "file")


def test_a_rename_has_happened_or_not() -> None:
    durable = (OPENED, ("w", 1, 0, b"new"), ("s", 1, 0, b""), FOLDER, ("s", 2, 0, b""))
    disk = played(*durable, ("r", 0, 0, b"/r/file\0/r/other"))
    assert contents(disk, "other") == {b"none", b"new"}
    assert contents(disk, "file") == {b"none", b"new"}
