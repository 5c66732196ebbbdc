"""The service gives memory back that it does not need any more."""

import subprocess
import sys

import pytest

BURST = """
import sys
from edaphon.service.process import give_memory_back
if sys.argv[1] == "given back":
    give_memory_back()
big = bytes(20_000_000)  # a large block that goes raises the threshold of glibc
del big
small = [bytes(60_000) for _ in range(500)]
del small
for line in open("/proc/self/status"):
    if line.startswith("VmRSS"):
        print(int(line.split()[1]) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="its memory is read from /proc")
def test_memory_of_a_burst_is_given_back() -> None:
    kept, given = (
        float(subprocess.check_output([sys.executable, "-c", BURST, word], text=True))
        for word in ("kept", "given back")
    )
    assert given < kept - 20
