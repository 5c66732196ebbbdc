"""A machine that never saw edaphon: Debian with python3, nothing else, and an ordinary account."""

import time
from collections.abc import Iterator

import pytest
from tests.machine.debian import PERSON, Debian, bare_debian

CODE = f"/home/{PERSON}/edaphon"
DEMO_WITHIN_S = 90
SERVICE = "/usr/local/lib/edaphon/current/bin/edaphon"
PYTHON = "/usr/local/lib/edaphon/current/bin/python"
CODEC = (
    "from edaphon_drivers.javascript import Codec;"
    "print(Codec('function Decode(p, b) { return { t: b[0] }; }', 'own.js').decode(bytes([7]), 1))"
)
# They start brokers, unpacked beside the libraries that this machine never had.
WITH_BROKERS = (
    "tests/test_programs.py::test_mosquitto_runs_the_shipped_configuration_on_its_own_port",
    "tests/daemon/commands/test_programs.py",
    "tests/daemon/commands/test_simulate.py",
    "tests/daemon/commands/test_commands.py::test_a_demo_ends_by_itself_and_its_ledgers_close",
)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def machine() -> Iterator[Debian]:
    with bare_debian() as debian:
        debian.take_code(CODE)
        yield debian


def test_the_machine_never_had_a_broker_its_account_or_its_libraries(machine: Debian) -> None:
    found = machine.admin(
        "getent passwd mosquitto; command -v mosquitto; ldconfig -p | grep -E 'libdlt|libcjson';"
        " dpkg -l | grep -E 'mosquitto|libdlt'; true"
    )
    assert found == ""


def test_without_the_venv_module_a_demo_is_one_line_with_what_to_type(machine: Debian) -> None:
    with bare_debian() as lacking:
        lacking.take_code(CODE)
        lacking.admin("dpkg --purge --force-depends python3-venv python3.11-venv")
        shown = lacking.person(f"cd {CODE} && ./run demo", code=69)
    last = shown.splitlines()[-1]
    assert last == "python3-venv is missing. Type:  sudo apt-get install -y python3-venv"


def test_the_demo_shows_its_page_within_90_seconds_to_an_ordinary_account(machine: Debian) -> None:
    begun = time.monotonic()
    shown = machine.person(f"cd {CODE} && ./run demo --seconds 3", within_s=2 * DEMO_WITHIN_S)
    took_s = time.monotonic() - begun
    assert "its page: http://127.0.0.1:" in shown
    assert "both ledgers close" in shown
    assert took_s < DEMO_WITHIN_S


def test_tests_that_start_brokers_pass_where_no_broker_was_ever_installed(machine: Debian) -> None:
    machine.admin("apt-get update -qq")
    words = " ".join(WITH_BROKERS)
    shown = machine.admin(f"cd {CODE} && ./run test -q {words}", CI="true", within_s=400)
    assert " passed" in shown
    assert " skipped" not in shown
    assert " failed" not in shown


def test_the_service_is_installed_upgraded_and_removed_and_its_data_stays(machine: Debian) -> None:
    install = f"cd {CODE} && ./run install --service"
    shown = machine.admin(f"{install} --codecs", SUDO_USER=PERSON)
    assert f"{PERSON} is now in the group edaphon" in shown
    assert "systemd does not run here: nothing was started" in shown
    assert "next: edaphon init /etc/edaphon/edaphon.toml" in shown
    assert "dialout" in machine.admin("id -nG edaphon").split()
    machine.person("edaphon init /etc/edaphon/edaphon.toml && edaphon check")
    as_service = "setpriv --reuid edaphon --regid edaphon --init-groups"
    machine.admin(f"cd / && {as_service} timeout --preserve-status 5 {SERVICE} run", code=0)
    before = machine.admin("readlink /usr/local/lib/edaphon/current; find /var/lib/edaphon -type f")
    assert "journal" in before
    again = machine.admin(install, SUDO_USER=PERSON)
    assert "installing into" not in again
    machine.admin(f"echo '# newer' >>{CODE}/daemon/edaphon/__init__.py")
    assert "installing into" in machine.admin(install, SUDO_USER=PERSON)
    assert machine.admin(f'cd / && {as_service} {PYTHON} -c "{CODEC}"', code=0) == "{'t': 7}\n"
    versions = machine.admin("ls /usr/local/lib/edaphon").split()
    assert len(versions) == 2
    assert versions[0] != before.splitlines()[0]
    shown = machine.admin(f"cd {CODE} && ./run install --remove")
    assert "kept, with the account edaphon that owns it: /etc/edaphon /var/lib/edaphon" in shown
    gone = "/usr/local/lib/edaphon /usr/local/bin/edaphon /etc/systemd/system/edaphon.service"
    assert machine.admin(f"ls -d {gone} 2>/dev/null || true") == ""
    assert machine.admin("find /var/lib/edaphon -type f").splitlines() == before.splitlines()[1:]
    assert machine.admin("stat -c %U /var/lib/edaphon").strip() == "edaphon"
