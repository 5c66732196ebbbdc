"""What of uplinks made no value, in the log and in status; possible losses of files in status."""

import logging
from functools import partial

from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.derive.test_uplinks_kept_apart import SHEET, entry
from tests.stories.station import Station

from edaphon.acquire.file_state import FileLoss
from edaphon.clock import SystemClock
from edaphon.journal import Journal, Kind
from edaphon.service.process import running

LORAWAN = f"""[broker.tts-v3]
host = "127.0.0.1"
port = 9
topics = ["#"]
envelope = "tts-v3"
[[source]]
broker = "tts-v3"
dev_eui = "{SHEET}"
model = "milesight.em500-smtc"
"""
FILES = """[model."own.csv"]
title = "own"
engine = "file"
output = [{ name = "x", quantity = "soil_temperature", unit = "degC" }]
[model."own.csv".frame]
form = "table"
column = [{ name = "X", output = "x" }]
time = { columns = ["Time"], formats = ["%Y-%m-%d %H:%M:%S"], utc_offset = "+00:00" }
[[source]]
name = "log"
file = "@/log.csv"
model = "own.csv"
"""


def derived(service, *entries):
    for one in entries:
        service.journal.append_now(one._replace(boot=service.keeper.boot))
    until(lambda: service.journal.last == service.deriver.position)


def test_the_log_has_the_first_of_what_made_no_value_and_status_counts_all(tmp_path, caplog):
    station = Station(tmp_path, [LORAWAN], [])
    simulated = [entry("tts-v3", SHEET, {"f_cnt": n}, simulated=True) for n in (1, 2, 3)]
    bare = [entry("tts-v3", SHEET, {"f_cnt": n, "f_port": 0}) for n in (4, 5)]
    with caplog.at_level(logging.WARNING, "edaphon"), running(station.file) as service:
        derived(service, *simulated, *bare)
        out, _ = call(station, "status", codes=(0, 1))
    assert "3 x simulated uplink" in out
    assert "2 x uplink without data" in out
    shown = [m for r in caplog.records if "no value" in (m := r.getMessage())]
    assert [words.split(": ")[:2] for words in shown] == [
        [f"tts-v3/{SHEET}", "simulated uplink"],
        [f"tts-v3/{SHEET}", "uplink without data"],
    ]


def test_status_shows_a_possible_loss_as_a_problem_and_counts_it(tmp_path):
    station = Station(tmp_path, [FILES.replace("@", str(tmp_path))], [])
    with running(station.file) as service:
        now_ns = service.keeper.now_ns()
        note = partial(service.keeper.entry, Kind.NOTE, "file/log")
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for days in (9, 1):
            loss = FileLoss(now_ns - days * 86_400 * 10**9, "log.csv", 31, 10, f"lost {days}")
            journal.append_now(note(loss.payload()))
    with running(station.file):
        out, _ = call(station, "status", codes=(1,))
        problems = call_json(station, "status", codes=(1,))["trouble"]
    assert "file of file/log: 2 possible losses, the latest: lost 1 (" in out
    assert [words.split(" (")[0] for words in problems if "lost" in words] == ["file/log: lost 1"]
