"""The units under a real systemd, in a Debian of its own: process 1 of its own namespaces."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.machine.debian import PATH, PERSON, Debian, bare_debian, cannot
from tests.machine.test_bare_machine import TAKEN_OVER

CODE = f"/home/{PERSON}/edaphon"
UNITS = "/etc/systemd/system"
# Units of a machine with hardware and people at it, which this one has not.
MASKED = "systemd-udevd systemd-logind console-getty getty.target systemd-networkd"
# A group of processes of its own, below which systemd makes those of its units; all ends with it.
BOOT = """
mount --make-rprivate /
mount -t cgroup2 none "$1/srv"
own=$1/srv/edaphon-test-$2
mkdir $own && echo $$ >$own/cgroup.procs
exec unshare --cgroup sh -ec '
cd "$1"
mount --bind . . && cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null,3 zero,5 full,7 random,8 urandom,9; do
    mknod -m 666 dev/${device%,*} c 1 ${device#*,}
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 none sys/fs/cgroup
pivot_root . mnt
umount -l /mnt
mount --make-rshared /
exec env -i container=chroot PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
' sh "$1"
"""
SPACES = ["--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net"]

pytestmark = pytest.mark.timeout(900)


class Booted:
    """A Debian with systemd as its process 1."""

    def __init__(self, debian: Debian, process: "subprocess.Popen[str]") -> None:
        self.debian, self._process = debian, process

    def run(self, command: str) -> str:
        """What a shell of root prints in there, out and err."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        first = children.read_text("ascii").split()
        if not first:
            return ""
        enter = ["nsenter", "-t", first[0], "-m", "-p", "-u", "-i", "-n", "-C"]
        words = [*enter, "env", "-i", f"PATH={PATH}", "sh", "-c", command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr

    def until(self, command: str, words: str, within_s: float = 60.0) -> str:
        """What it prints once that is in it; fails with the log of the units otherwise."""
        end = time.monotonic() + within_s
        while words not in (shown := self.run(command)):
            log = "journalctl -u edaphon -u edaphon-web --no-pager -n 40 -o cat"
            assert time.monotonic() < end, f"{command}: {shown}\n{self.run(log)}"
            time.sleep(0.5)
        return shown


@pytest.fixture(scope="module")
def machine() -> Iterator[Booted]:
    with bare_debian() as debian:
        debian.admin("apt-get update -qq && apt-get install -qq -y --no-install-recommends systemd")
        debian.take_code(CODE)
        debian.admin(f"cd {CODE} && ./run install --service", SUDO_USER=PERSON)
        debian.person("edaphon init /etc/edaphon/edaphon.toml")
        debian.admin("install -m 640 -g edaphon /dev/null /etc/edaphon/secrets/ttn")
        debian.admin(f"systemctl -q enable edaphon edaphon-web; systemctl -q mask {MASKED}")
        words = ["unshare", *SPACES, "sh", "-ec", BOOT, "sh", str(debian.root), str(os.getpid())]
        with subprocess.Popen(words, text=True, stderr=subprocess.PIPE) as process:
            booted = Booted(debian, process)
            try:
                _wait(booted, process)
                yield booted
            finally:
                process.kill()
        _forget_groups()


def _wait(booted: Booted, process: "subprocess.Popen[str]") -> None:
    for _ in range(120):
        if process.poll() is not None:
            why = process.stderr.read() if process.stderr else ""
            cannot(f"expected a machine that lets systemd run in namespaces of its own, got: {why}")
        if booted.run("systemctl is-system-running").strip() in {"running", "degraded"}:
            booted.run("ip link set lo up")
            return
        time.sleep(0.5)
    cannot("expected systemd to start within 60 s")


def _forget_groups() -> None:
    """The groups of processes that ended with the machine, the innermost first."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    owns = [Path(row[1]) / f"edaphon-test-{os.getpid()}" for row in mounts if row[2] == "cgroup2"]
    for own in filter(Path.exists, owns):
        end = time.monotonic() + 10
        while own.exists() and time.monotonic() < end:  # processes end one after the other
            for group in sorted({own, *own.glob("**/")}, reverse=True):
                with suppress(OSError):
                    group.rmdir()
            time.sleep(0.2)


def test_both_units_start_as_they_are_and_the_page_shows_what_the_service_says(machine):
    machine.until("systemctl is-active edaphon edaphon-web", "active\nactive")
    read = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8040/').read().decode())"
    machine.until(f'python3 -c "{read}"', "my-site")
    for unit, account in (("edaphon", "edaphon"), ("edaphon-web", "edaphon-web")):
        number = machine.run(f"systemctl show -p MainPID --value {unit}").strip()
        assert machine.run(f"stat -c %U /proc/{number}").strip() == account


def test_the_service_is_started_again_however_often_it_ends(machine):
    kill = "systemctl kill -s KILL edaphon; sleep 1.2; "
    machine.run(kill * 8)
    machine.until("systemctl is-active edaphon", "active\n")
    restarts = machine.run("systemctl show edaphon -p NRestarts --value")
    assert int(restarts) >= 6


def test_a_page_that_is_taken_over_can_do_nothing_within_its_unit(machine):
    (machine.debian.root / "usr" / "local" / "lib" / "taken_over.py").write_text(TAKEN_OVER)
    extra = f"{UNITS}/edaphon-web.service.d"
    start = "[Service]\\nExecStartPost=-/usr/bin/python3 /usr/local/lib/taken_over.py\\n"
    machine.run(f"mkdir -p {extra}; printf '{start}' >{extra}/try.conf; systemctl daemon-reload")
    machine.until("ls /run/edaphon/page.sock", "/run/edaphon/page.sock\n")
    machine.run("systemctl restart edaphon-web")
    log = "journalctl -u edaphon-web --no-pager -o cat -n 40"
    shown = machine.until(log, "/etc/edaphon/facts/new.toml")
    found = dict(line.split() for line in shown.splitlines() if len(line.split()) == 2)
    refused = {name: what for name, what in found.items() if name.startswith(("/", "control"))}
    assert len(refused) == 7
    assert set(refused.values()) == {"PermissionError"}
    assert found["status"] == "True"
    verbs = ("apply", "flush", "say", "recalibrate", "evidence")
    assert {found[verb] for verb in verbs} == {"False"}


def test_a_stop_ends_both_at_once_and_the_ledgers_close(machine):
    begun = time.monotonic()
    machine.run("systemctl stop edaphon edaphon-web")
    assert time.monotonic() - begun < 30
    assert "all records accounted for" in machine.run(
        "edaphon verify --config /etc/edaphon/edaphon.toml"
    )
    assert machine.run("find /var/lib/edaphon ! -user edaphon") == ""
