"""The sink of text files: a kind of sink that no other file knows of."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from tests.daemon.sinks.samples import CHANNELS, MINUTE_NS, SWC, T0, TEMPERATURE, run, withdrawal

from edaphon.sinks import jsonl
from edaphon.sinks.jsonl import JsonlSettings, JsonlSink
from edaphon.sinks.sink import Later, sink_kind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def sink(folder: Path) -> JsonlSink:
    return JsonlSink(JsonlSettings(folder=folder), CHANNELS)


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_observations_stand_in_the_file_of_their_utc_day(sink: JsonlSink, folder: Path) -> None:
    seen = run(n=4, start_ns=T0 - 2 * MINUTE_NS, raw=np.array([1.5, math.nan, 0.1, 1 / 3]))
    sink.write([seen, run(TEMPERATURE, n=1)])
    assert sorted(os.listdir(folder)) == ["2025-12-31.jsonl", "2026-01-01.jsonl"]
    first, second = lines(folder / "2025-12-31.jsonl")
    assert first == {
        "channel": SWC.id,
        "quantity": "volumetric_water_content",
        "unit": "m3/m3",
        "time": "2025-12-31T23:58:00.000000000Z",
        "time_ns": T0 - 2 * MINUTE_NS,
        "start_ns": T0 - 2 * MINUTE_NS,
        "value": seen.value[0],
        "raw": 1.5,
        "u_random": 0.001,
        "u_systematic": 0.02,
        "flag": 1,
        "sequence": "1.1",
        "derivation": "0123456789abcdef",
    }
    assert second["raw"] is None
    assert [line["raw"] for line in lines(folder / "2026-01-01.jsonl")][:2] == [0.1, 1 / 3]


def test_a_long_run_is_written_whole_in_bounded_parts(
    sink: JsonlSink, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "ROWS", 7)
    sink.write([run(n=100)])
    found = [line["time_ns"] for line in lines(folder / "2026-01-01.jsonl")]
    assert found == run(n=100).time_ns.tolist()


def test_a_withdrawal_is_a_line_of_its_own(sink: JsonlSink, folder: Path) -> None:
    sink.withdraw(withdrawal(SWC, T0))
    [line] = lines(folder / "2026-01-01.jsonl")
    assert line["withdrawn"] is True
    assert (line["channel"], line["time_ns"]) == (SWC.id, T0)


@pytest.mark.parametrize("torn", [b'{"chan', b"x" * 9000, b""], ids=["short", "long", "none"])
def test_a_torn_last_line_is_cut_off_and_whole_ones_stay(
    sink: JsonlSink, folder: Path, torn: bytes
) -> None:
    sink.write([run(n=2)])
    path = folder / "2026-01-01.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    sink.write([run(TEMPERATURE, n=1)])
    assert path.read_bytes().startswith(whole)
    assert [line["channel"] for line in lines(path)] == [SWC.id, SWC.id, TEMPERATURE.id]


def test_a_file_that_is_only_torn_begins_anew(sink: JsonlSink, folder: Path) -> None:
    folder.mkdir()
    (folder / "2026-01-01.jsonl").write_bytes(b"x" * 5000)
    sink.write([run(n=1)])
    assert len(lines(folder / "2026-01-01.jsonl")) == 1


def test_every_file_and_its_folder_are_synced_before_write_returns(
    sink: JsonlSink, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def watched(number: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{number}").rpartition("/")[2])
        real(number)

    monkeypatch.setattr(os, "fsync", watched)
    sink.write([run(n=2)])
    assert synced == [folder.parent.name, "2026-01-01.jsonl", "out"]


def test_a_folder_that_cannot_be_made_is_later_and_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sink = JsonlSink(JsonlSettings(folder=tmp_path / "file" / "out"), CHANNELS)
    with pytest.raises(Later, match="file/out can't be written: Not a directory"):
        sink.write([run()])


def test_it_is_found_by_its_name() -> None:
    assert sink_kind("jsonl") is jsonl.KIND
    with pytest.raises(ValueError, match=r"\(influxdb, jsonl\), got 'csv'"):
        sink_kind("csv")
