"""Every command block of README and of the technician's guide, typed by an ordinary account.

In a bare Debian: what needs hardware meets `edaphon simulate`, what needs root is typed by root.
"""

from collections.abc import Iterator
from datetime import datetime

import pytest
from tests.machine.debian import PERSON, Debian, bare_debian
from tests.machine.guide import PAGES, Block, blocks, shells
from tests.simulated_files import SimulatedRespirometer

HOME = f"/home/{PERSON}"
CODE = f"{HOME}/edaphon"

# Blocks that no test types here, by their first line, each with the reason.
NOT_TYPED = {
    "git clone … edaphon": "the address of the code is the reader's own",
    "./run test": "this test is a part of it",
    "sudo systemctl restart edaphon edaphon-web": "no systemd runs in a tree of files",
    "edaphon sensor address sdi12 0 c": "simulated probes keep their address;"
    " tests/daemon/commands/test_sensor.py changes one",
    "edaphon alert ack 17": "nothing is wrong at the simulated plot;"
    " tests/daemon/commands/test_alert.py acknowledges an incident",
}
# What a page's block is called by, in the order in which a reader comes to it.
FIRST_STEPS = ("cd edaphon", "edaphon init", "edaphon run", "edaphon status", "./run demo")
AT_THE_PLOT = (
    "edaphon scan", "edaphon term sdi12", "edaphon cal add --sensor", "edaphon cal revoke",
    "edaphon cal add --check", "edaphon cal fit", "edaphon visit start", "edaphon visit end",
)  # fmt: skip
THE_PLOT = ("edaphon simulate",)
FILES = ("edaphon files replace", "edaphon import")
AS_ROOT = (
    "sudo ./run install --service", "edaphon init /etc/edaphon/edaphon.toml",
    "sudo install -m 640", "sudo ./run install --remove",
)  # fmt: skip

# Of a plot that was begun a minute ago nothing is known of last spring, and that is shown.
TOO_YOUNG = (
    "expected a time behind the first entry of the journal: nothing was known then",
    "P1-vwc-5 has no observation at 2026-04-01T12:00:00Z",
)

PLOT = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/tmp/not-used"
[facts]
inbox = "/tmp/plot/facts"
[clock]
trust = "system"
[bus.sdi12]
kind = "sdi12"
port = "/dev/serial/by-id/sdi12"
answer_s = 0.05
[bus.rs485]
kind = "serial"
port = "/dev/serial/by-id/rs485"
answer_s = 0.05
[[source]]
bus = "sdi12"
address = "a"
model = "meter.teros12"
interval = "5s"
[[source]]
bus = "rs485"
address = "3"
model = "truebner.smt100"
interval = "5s"
[[sensor]]
id = "T12-00041873"
model = "meter.teros12"
[[plot]]
id = "P1"
[[channel]]
id = "P1-vwc-5"
quantity = "volumetric_water_content"
unit = "m3/m3"
plot = "P1"
depth_cm = 5
[[channel]]
id = "P1-temp-5"
quantity = "soil_temperature"
unit = "degC"
plot = "P1"
depth_cm = 5
[[deployment]]
id = "vwc"
channel = "P1-vwc-5"
source = "sdi12/a"
sensor = "T12-00041873"
output = "water_content_counts"
factory = "mineral"
[[deployment]]
id = "temp"
channel = "P1-temp-5"
source = "sdi12/a"
sensor = "T12-00041873"
output = "soil_temperature"
"""
CHAMBERS = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/tmp/chambers/storage"
[facts]
inbox = "/tmp/chambers/facts"
[clock]
trust = "system"
[[source]]
name = "chambers"
file = "/tmp/chambers/li8100/*.81x"
model = "licor.li-8100a"
settings = { utc_offset = "+01:00" }
"""
POINTS = "raw,reference\n0.10,0.11\n0.17,0.18\n0.29,0.31\n0.41,0.43\n"

pytestmark = pytest.mark.timeout(600)
ALL = [block for page in PAGES for block in blocks(page)]


def the_block(begin: str) -> Block:
    (found,) = (block for block in ALL if _key(block) == begin)
    return found


def _key(block: Block) -> str:
    """Which of the names above a block answers to: the longest."""
    names = [*NOT_TYPED, *FIRST_STEPS, *AT_THE_PLOT, *THE_PLOT, *FILES, *AS_ROOT]
    return max((name for name in names if block.first.startswith(name)), key=len, default="")


def test_every_block_is_typed_or_is_left_out_with_a_reason() -> None:
    unknown = [f"{block.page}: {block.first}" for block in ALL if not _key(block)]
    assert unknown == [], "say in this file how it is typed"
    assert [page.name for page in PAGES if shells(page)] == []
    typed = {_key(block) for block in ALL} - set(NOT_TYPED)
    assert typed == {*FIRST_STEPS, *AT_THE_PLOT, *THE_PLOT, *FILES, *AS_ROOT}
    assert len(NOT_TYPED) == 5
    assert {_key(block) for block in ALL} >= set(NOT_TYPED)


@pytest.fixture(scope="module")
def machine() -> Iterator[Debian]:
    with bare_debian() as debian:
        debian.take_code(CODE)
        yield debian


def test_the_first_steps_work_word_for_word(machine: Debian) -> None:
    shown = machine.person(the_block("cd edaphon").text)
    assert "edaphon 0." in shown.splitlines()[-1]
    assert "from the next login on" in shown
    shown = machine.person(the_block("edaphon init").text)
    written, good, *reached, then = shown.splitlines()
    assert written == "edaphon.toml written. Edit it, then: edaphon check edaphon.toml"
    assert good.startswith("good: ")
    assert {line.split()[0] for line in reached} == {"writes", "connects", "listens"}
    assert then == "next: edaphon run edaphon.toml"
    status = the_block("edaphon status").text.strip()
    start = the_block("edaphon run").text.strip()
    shown = machine.person(
        f"{start} & run=$!; for n in $(seq 50); do [ -S edaphon-data/control.sock ] && break;"
        f" sleep 0.2; done; {status}; echo code $?; kill -INT $run; wait $run"
    )
    assert "recording into /home/tech/edaphon-data; `edaphon status` shows" in shown
    assert "code 0" in shown or "broker local" in shown  # there is no broker on this machine


def test_the_demo_of_the_readme_ends_with_closed_ledgers(machine: Debian) -> None:
    demo = the_block("./run demo").lines[0]
    assert "all records accounted for" in machine.person(f"cd {CODE} && {demo} --seconds 2")


def test_what_is_done_at_a_plot_works_with_a_simulated_one(machine: Debian) -> None:
    (machine.root / "tmp" / "own.toml").write_text(PLOT, "utf-8")
    (machine.root / "tmp" / "points.csv").write_text(POINTS, "utf-8")
    simulate, record = the_block("edaphon simulate").lines
    typed = [f"{line} </dev/null" for name in AT_THE_PLOT for line in the_block(name).lines]
    script = (
        "mkdir -p plot /tmp/plot/facts && cd plot && cp /tmp/own.toml edaphon.toml\n"
        f"{simulate} </dev/null >/tmp/simulate.log 2>&1 & \n"
        "for n in $(seq 50); do [ -e /tmp/plot/edaphon.toml ] && break; sleep 0.2; done\n"
        f"{record} >/tmp/record.log 2>&1 &\n"
        "cd /tmp/plot && cp /tmp/points.csv . && echo certificate >PTB-2026-0815.pdf\n"
        "for n in $(seq 50); do edaphon query P1-vwc-5 2>&1 | grep -q T && break; sleep 0.2; done\n"
    )
    for line in typed:
        script += f"echo '>>>'\n(time {line}\n) 2>&1; echo exit $?\n"
    shown = machine.person(script + "kill %1 %2 2>/dev/null; wait; cat /tmp/*.log")
    printed = shown.split(">>>\n")[1:]
    wrong = [
        line
        for line, part in zip(typed, printed, strict=True)
        if "\nexit 0" not in part and not any(words in part for words in TOO_YOUNG)
    ]
    assert wrong == [], shown
    assert sum(any(words in part for words in TOO_YOUNG) for part in printed) == len(TOO_YOUNG)


def test_files_are_replaced_and_imported_as_the_guide_says(machine: Debian) -> None:
    folder, stick = machine.root / "tmp" / "chambers", machine.root / "media" / "stick"
    for place in (folder / "li8100", folder / "facts", stick):
        place.mkdir(parents=True)
    for name, at in (("first", 12), ("right", 11)):
        begun = datetime(2026, 3, 7, at)  # noqa: DTZ001 local text
        SimulatedRespirometer(folder / name, begun).observe(1, [400, 401, 402], 0.96)
    years = SimulatedRespirometer(stick / "2016-2025.81x", datetime(2016, 3, 7))  # noqa: DTZ001
    years.observe(1, [390, 391, 392, 393], 0.5)
    (folder / "edaphon.toml").write_text(CHAMBERS, "utf-8")
    machine.admin(f"chown -R {PERSON}: /tmp/chambers")
    until = "for n in $(seq 100); do {} && break; sleep 0.2; done"
    replace, take = (the_block(name).text.strip() for name in FILES)
    shown = machine.person(
        "cd /tmp/chambers && mv first li8100/2026.81x\n"
        "edaphon run edaphon.toml >log 2>&1 & run=$!\n"
        f"cd /tmp/chambers; {until.format('edaphon files list 2>&1 | grep -q 2026.81x')}\n"
        "mv right li8100/2026.81x\n"
        f"{until.format('edaphon files list --json | grep -q copy..*2')}\n"
        f"{replace}; echo code $?; {take} </dev/null; echo code $?; edaphon status\n"
        "kill -INT $run; wait $run"
    )
    assert shown.count("code 0") == 2, shown
    assert "2016-2025.81x" in shown


def test_the_service_is_made_and_removed_as_the_guide_says(machine: Debian) -> None:
    def as_root(name: str) -> str:
        return "\n".join(line.removeprefix("sudo ") for line in the_block(name).lines)

    machine.admin(f"cd {CODE} && {as_root('sudo ./run install --service')}", SUDO_USER=PERSON)
    shown = machine.person(the_block("edaphon init /etc/edaphon/edaphon.toml").text)
    assert "next: sudo systemctl restart edaphon edaphon-web" in shown
    machine.admin(as_root("sudo install -m 640"))
    machine.admin(
        "setpriv --reuid edaphon --regid edaphon --init-groups cat /etc/edaphon/secrets/ttn"
    )
    machine.admin(f"cd {CODE} && {as_root('sudo ./run install --remove')}")
