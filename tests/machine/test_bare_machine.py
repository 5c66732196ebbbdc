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
AS_SERVICE = "setpriv --reuid edaphon --regid edaphon --init-groups"
AS_PAGE = "setpriv --reuid edaphon-web --regid edaphon-web --init-groups --inh-caps=-all"
# What a page's process that was taken over would try, and the page itself.
TAKEN_OVER = """
import json, socket, urllib.request

def asked(path, verb):
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        line.sendall(json.dumps({"verb": verb}).encode() + bytes([10]))
        return json.loads(line.makefile().readline())

def tried(what, attempt):
    try:
        print(what, attempt())
    except OSError as error:
        print(what, type(error).__name__)

tried("page", lambda: urllib.request.urlopen("http://127.0.0.1:8040/").status)
tried("status", lambda: asked("/run/edaphon/page.sock", "status")["ok"])
for verb in ("apply", "flush", "say", "recalibrate", "evidence"):
    tried(verb, lambda: asked("/run/edaphon/page.sock", verb)["ok"])
tried("control", lambda: asked("/var/lib/edaphon/control.sock", "status"))
secrets, data = "/etc/edaphon/secrets/ttn", "/var/lib/edaphon/series.sqlite"
for path in ("/etc/edaphon/edaphon.toml", secrets, data):
    tried(path, lambda: open(path).read())
for path in ("/run/edaphon/new", "/var/lib/edaphon/new", "/etc/edaphon/facts/new.toml"):
    tried(path, lambda: open(path, "w"))
"""
BY_TURNS = f"""
cd /
{AS_SERVICE} {SERVICE} run /etc/edaphon/edaphon.toml & run=$!
install -d -o edaphon-web -m 500 /run/copies
install -o edaphon-web -m 400 /etc/edaphon/edaphon.toml /run/copies
for n in $(seq 100); do [ -S /run/edaphon/page.sock ] && break; sleep 0.2; done
CREDENTIALS_DIRECTORY=/run/copies {AS_PAGE} {SERVICE} web /run/copies/edaphon.toml & web=$!
listens='import socket; socket.create_connection(("127.0.0.1", 8040))'
for n in $(seq 100); do python3 -c "$listens" 2>/dev/null && break; sleep 0.2; done
echo "== tried"; {AS_PAGE} python3 /tmp/taken_over.py
echo "== modes"
stat -c '%a %U %G %n' /run/edaphon /run/edaphon/* $(find /var/lib/edaphon)
kill $web $run; wait
"""
# They start brokers, unpacked next to the libraries that this machine never had.
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
    assert "all records accounted for" in shown
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
    machine.admin(f"cd / && {AS_SERVICE} timeout --preserve-status 5 {SERVICE} run", code=0)
    before = machine.admin("readlink /usr/local/lib/edaphon/current; find /var/lib/edaphon -type f")
    assert "journal" in before
    old = "/etc/systemd/system/edaphon-web.service"  # as an earlier version left things
    machine.admin(f"sed -i s/edaphon-web$/edaphon/ {old}; chmod 755 /var/lib/edaphon")
    machine.admin("usermod -aG edaphon,dialout edaphon-web; chmod 644 /etc/edaphon/edaphon.toml")
    again = machine.admin(install, SUDO_USER=PERSON)
    assert "installing into" not in again
    assert machine.admin(f"cmp {old} {CODE}/deploy/systemd/edaphon-web.service") == ""
    assert machine.admin("id -nG edaphon-web").split() == ["edaphon-web"]
    closed = machine.admin(
        "stat -c %a /var/lib/edaphon /etc/edaphon/edaphon.toml /etc/edaphon/secrets"
    )
    assert closed.split() == ["750", "640", "2750"]
    machine.admin(f"echo '# newer' >>{CODE}/daemon/edaphon/__init__.py")
    assert "installing into" in machine.admin(install, SUDO_USER=PERSON)
    assert machine.admin(f'cd / && {AS_SERVICE} {PYTHON} -c "{CODEC}"', code=0) == "{'t': 7}\n"
    versions = machine.admin("ls /usr/local/lib/edaphon").split()
    assert len(versions) == 2
    assert versions[0] != before.splitlines()[0]
    shown = machine.admin(f"cd {CODE} && ./run install --remove")
    assert "kept, with the account edaphon that owns it: /etc/edaphon /var/lib/edaphon" in shown
    assert machine.admin("getent passwd edaphon-web; getent group edaphon-web; true") == ""
    gone = "/usr/local/lib/edaphon /usr/local/bin/edaphon /etc/systemd/system/edaphon.service"
    gone += " /run/edaphon /etc/systemd/system/edaphon-web.service"
    assert machine.admin(f"ls -d {gone} 2>/dev/null || true") == ""
    assert machine.admin("find /var/lib/edaphon -type f").splitlines() == before.splitlines()[1:]
    assert machine.admin("stat -c %U /var/lib/edaphon").strip() == "edaphon"


def test_a_pages_process_that_is_taken_over_reads_what_the_page_shows_and_nothing_else(
    machine: Debian,
) -> None:
    (machine.root / "tmp" / "taken_over.py").write_text(TAKEN_OVER, "utf-8")
    machine.admin(f"cd {CODE} && ./run install --service", SUDO_USER=PERSON)
    machine.admin("rm -rf /etc/edaphon/edaphon.toml /var/lib/edaphon/*")
    machine.person("edaphon init /etc/edaphon/edaphon.toml")
    machine.admin("install -m 640 -g edaphon /dev/null /etc/edaphon/secrets/ttn")
    shown = machine.admin(BY_TURNS)
    tried, modes = shown.partition("== tried\n")[2].split("== modes\n")
    found = dict(line.split() for line in tried.splitlines() if len(line.split()) == 2)
    assert (found.pop("page"), found.pop("status")) == ("200", "True"), shown
    assert {found.pop(verb) for verb in ("apply", "flush", "say", "recalibrate", "evidence")} == {
        "False"
    }, shown
    assert len(found) == 7
    assert set(found.values()) == {"PermissionError"}, shown
    rows = [line.split() for line in modes.splitlines() if line.startswith(tuple("12467"))]
    by_name = {row[3]: tuple(row[:3]) for row in rows}
    assert by_name["/run/edaphon"] == ("2750", "edaphon", "edaphon-web")
    assert by_name["/run/edaphon/page.sock"] == ("660", "edaphon", "edaphon-web")
    assert by_name["/var/lib/edaphon"] == ("750", "edaphon", "edaphon")
    assert by_name["/var/lib/edaphon/control.sock"] == ("660", "edaphon", "edaphon")
    assert by_name["/var/lib/edaphon/journal/journal.lock"] == ("600", "edaphon", "edaphon")
    own = {row[1] for row in rows} | {row[2] for row in rows if row[3].startswith("/var")}
    assert own == {"edaphon"}, modes
