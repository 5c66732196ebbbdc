"""What a process costs, read from /proc: CPU time with its children, memory, bytes on a disk."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cpu_s", "disk_bytes", "peak_mb", "python", "resident_mb"]

TICKS = os.sysconf("SC_CLK_TCK")
SECTOR_BYTES = 512  # of /proc/diskstats, whatever the device has


def cpu_s(pid: int) -> float:
    """User and system time of a process, its threads and its ended children [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def resident_mb(pid: int) -> float:
    return _status_kb(pid, "VmRSS") / 1024


def peak_mb(pid: int) -> float:
    return _status_kb(pid, "VmHWM") / 1024


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise LookupError(name)


def disk_bytes(folder: Path) -> int:
    """Bytes written so far to the device that holds the folder, by all processes."""
    device = os.stat(folder).st_dev
    place = f"{os.major(device)} {os.minor(device)}".split()
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if fields[:2] == place:
            return int(fields[9]) * SECTOR_BYTES
    raise LookupError(f"the device of {folder} is not in /proc/diskstats")


@contextmanager
def python(module: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module words` as a process with pipes, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def line_from(process: subprocess.Popen[bytes], within_s: float) -> str:
    """The next line that a process prints."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], within_s)[0]:
        raise TimeoutError(f"{process.args!r} printed nothing in {within_s:g} s")
    return process.stdout.readline().decode()
