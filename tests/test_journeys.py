"""A reader follows one reading, one query and one calibration through few files."""

import json
import subprocess
import sys
from typing import NamedTuple

import pytest
from tests.documents import ROOT, files_of_the_ways
from tests.journeys import Threads, text_of


class Limit(NamedTuple):
    """The most files of the three packages, in all threads and in one of them."""

    files: int
    in_one_thread: int


# What was measured last: whoever makes a journey shorter lowers its numbers.
LIMITS = {
    "answer": Limit(29, 16),  # one SDI-12 answer from the wire to InfluxDB; the aim is 25 and 10
    "uplink": Limit(29, 17),  # one LoRaWAN uplink from the broker to InfluxDB; the aim is 25 and 10
    "query": Limit(15, 15),  # `edaphon query`
    "cal apply": Limit(63, 63),  # `edaphon cal apply`, no service runs; the aim is 35
}


TRIES = 3  # on a busy machine an answer may come in two pieces, or a server be asked twice


@pytest.mark.parametrize("journey", LIMITS)
def test_a_journey_passes_no_more_files_than_before(journey: str) -> None:
    limit = LIMITS[journey]
    for _ in range(TRIES):
        threads = _passed_by(journey)
        files = {file for own in threads.values() for file in own}
        if journey in {"answer", "uplink", "query"}:
            assert files - files_of_the_ways() == set(), "docs/architecture.md does not name these"
        passed = Limit(len(files), max(len(own) for own in threads.values()))
        if passed.files <= limit.files and passed.in_one_thread <= limit.in_one_thread:
            return
    pytest.fail(f"{journey}: {passed}, expected at most {limit}\n{text_of(threads)}")


def _passed_by(journey: str) -> Threads:
    done = subprocess.run(
        [sys.executable, "-m", "tests.journeys", journey, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    threads: Threads = json.loads(done.stdout.splitlines()[-1])
    return threads
