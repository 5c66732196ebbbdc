"""The process of a codec may do nothing but answer, ends when it must, and nothing of it stays."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.programs import wait_until

from edaphon_drivers import codec_process
from edaphon_drivers.codec_process import CodecAnswer, Overrun, Pool, Script, Stopped, engine_folder
from edaphon_drivers.javascript import FRAME

FOLDER = engine_folder() or ""
LIMITS = (0.05, 16 << 20, 256 << 10)
SUM = "function decodeUplink(i) { return { data: { sum: i.bytes.reduce((a, b) => a + b, 0) } }; }"
NATIVE = "[].reverse.call(Object.defineProperty(function () {}, 'length', { value: 2 ** 53 - 1 }));"


def script(act: str = "", text: str = SUM) -> Script:
    if act:
        text = f"function decodeUplink(input) {{ {act} return {{ data: {{ done: 1 }} }}; }}"
    return Script(FRAME, text, *LIMITS)


@pytest.fixture
def pool():
    with_limit = Pool()
    yield with_limit
    pids = with_limit.processes()
    with_limit.close()
    assert not [pid for pid in pids if there(pid)]


def there(pid: int) -> bool:
    """Also a zombie is there."""
    return Path(f"/proc/{pid}").exists()


def called(pool: Pool, one: Script, data: bytes = b"\x01\x02") -> str:
    return pool.call(FOLDER, one, data, 2, 0.0).text


def table(pid: int, name: str) -> dict[str, list[str]]:
    text = Path(f"/proc/{pid}/{name}").read_text()
    return {line[:25].strip(): line[25:].split() for line in text.splitlines()}


def test_a_native_call_that_never_ends_is_killed_and_the_next_uplink_has_its_value(pool: Pool):
    once = script(
        text="function decodeUplink(i) { if (i.bytes[0]) "
        + NATIVE
        + " return { data: { a: 1 } }; }"
    )
    assert called(pool, once, b"\x00") == '{"data":{"a":1}}'
    (first,) = pool.processes()
    with pytest.raises(Overrun):
        called(pool, once, b"\x01")
    assert not there(first)
    assert called(pool, once, b"\x00") == '{"data":{"a":1}}'


def test_the_process_has_no_file_no_child_no_core_no_privilege_and_nothing_of_the_service(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SECRET", "x")
    with open("/dev/null") as inherited:
        os.set_inheritable(inherited.fileno(), True)
        called(pool, script())
        (pid,) = pool.processes()
        if os.getuid() == 0:  # to others of its own account it is closed
            assert len(os.listdir(f"/proc/{pid}/fd")) == 3
            assert Path(f"/proc/{pid}/environ").read_bytes().strip(b"\0") in {b"TZ=UTC0", b""}
    limits = table(pid, "limits")
    for name in ("Max open files", "Max processes", "Max core file size", "Max file size"):
        assert limits[name][:2] == ["0", "0"], name
    assert int(limits["Max address space"][0]) < 150 << 20
    usual = Script(FRAME, SUM, 0.25, *LIMITS[1:])
    assert codec_process.CALLS * usual.native_s < int(limits["Max cpu time"][0]) <= 86400
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    assert status["NoNewPrivs"] == "1"
    assert status["Threads"] == "1"
    assert os.getsid(pid) == pid
    assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 1000


def test_a_process_that_others_killed_costs_no_uplink(pool: Pool):
    called(pool, script())
    for _ in range(3):
        (pid,) = pool.processes()
        os.kill(pid, signal.SIGKILL)
        assert called(pool, script()) == '{"data":{"sum":3}}'
        assert pool.processes() != [pid]


def test_an_uplink_whose_process_others_killed_has_its_value_from_the_next_one(pool: Pool):
    slow = Script(
        FRAME, script("const e = 2e6; for (let i = 0; i < e; i++);").text, 50, *LIMITS[1:]
    )
    called(pool, slow)
    (pid,) = pool.processes()
    os.kill(pid, signal.SIGSTOP)
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    assert called(pool, slow) == '{"data":{"done":1}}'
    killer.join()


def test_an_engine_that_breaks_is_a_refusal_with_its_signal_and_the_next_call_runs(pool: Pool):
    called(pool, script())
    (pid,) = pool.processes()
    os.kill(pid, signal.SIGSTOP)
    killer = threading.Timer(
        0.3, lambda: [os.kill(pid, n) for n in (signal.SIGSEGV, signal.SIGCONT)]
    )
    killer.start()
    with pytest.raises(Stopped, match="SIGSEGV"):
        called(pool, script())
    killer.join()
    assert called(pool, script()) == '{"data":{"sum":3}}'


def test_a_process_that_sleeps_is_killed_at_the_deadline(pool: Pool, monkeypatch):
    called(pool, script())
    (pid,) = pool.processes()
    monkeypatch.setattr(codec_process, "CALL_S", 0.3)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Stopped, match="no answer within"):
        called(pool, script())
    assert not there(pid)
    monkeypatch.undo()
    assert called(pool, script()) == '{"data":{"sum":3}}'


FORGED = {
    "another call": "answer(9, b'A', b'{}')",
    "an unknown kind": "answer(0, b'Z', b'{}')",
    "a huge length": "os.write(1, struct.pack('<I', 4000000000))",
    "no length": "os.write(1, struct.pack('<I', 0))",
    "not UTF-8": "answer(0, b'A', bytes([255]))",
    "half a frame": "os.write(1, bytes([9, 0]))",
    "nothing": "pass",
    "an exit": "sys.exit(3)",
    "a second answer to come": "answer(0, b'A', b''); answer(7, b'A', b'{}'); os.read(0, 1 << 20)",
}


@pytest.mark.parametrize("what", FORGED)
def test_an_answer_that_is_not_to_this_call_ends_the_process(
    what: str, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    forger = tmp_path / "forger.py"
    forger.write_text(
        "import os, struct, sys\n"
        "def answer(n, kind, text):\n"
        "    os.write(1, struct.pack('<IIc', 5 + len(text), n, kind) + text)\n"
        f"os.read(0, 1 << 20); {FORGED[what]}\n"
    )
    monkeypatch.setattr(codec_process, "_CHILD", forger)
    with pytest.raises(Stopped):
        called(pool, script())
    assert pool.processes() == []


def test_a_process_that_can_not_begin_is_reported(pool: Pool, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Stopped, match="could begin"):
        called(pool, script())
    monkeypatch.undo()
    assert called(pool, script()) == '{"data":{"sum":3}}'


def test_memory_of_the_process_is_bounded_whatever_a_codec_keeps(pool: Pool):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = Script(
        FRAME, script("const k = []; for (;;) k.push('x'.repeat(999));").text, 5, *LIMITS[1:]
    )
    for _ in range(3):
        called(pool, kept)
    (pid,) = pool.processes()
    peak = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert int(peak["VmHWM"].split()[0]) < 60_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


def test_a_process_is_renewed_after_many_calls_and_numbers_are_the_same(pool: Pool, monkeypatch):
    monkeypatch.setattr(codec_process, "CALLS", 3)
    pids = set()
    for _ in range(7):
        assert called(pool, script()) == '{"data":{"sum":3}}'
        pids.update(pool.processes())
    assert len(pids) == 3


def test_an_uplink_of_any_size_is_a_value_or_a_refusal(pool: Pool):
    for size in (0, 255, 1 << 16, 1 << 20):
        answer = pool.call(FOLDER, script(), bytes(size), 2, 0.0)
        assert answer.text == '{"data":{"sum":0}}' or "out of memory" in answer.text
    with pytest.raises(Stopped):
        pool.call(FOLDER, script(), bytes(9 << 20), 2, 0.0)
    assert called(pool, script()) == '{"data":{"sum":3}}'


def test_codecs_have_a_process_each_and_the_longest_unused_ends_first():
    own, scripts = Pool(most=2), [script(text=SUM + f" // {n}") for n in range(4)]
    try:
        for one in scripts:
            called(own, one)
        assert len(own.processes()) == 2
        last = own.processes()
        called(own, scripts[3])
        called(own, scripts[2])
        assert set(own.processes()) == set(last)
    finally:
        own.close()


def test_idle_processes_end_and_the_next_uplink_begins_one():
    own = Pool(idle_s=0.2)
    try:
        called(own, script())
        (pid,) = own.processes()
        wait_until(lambda: not there(pid), "the end of the idle process", 20)
        assert own.processes() == []
        assert called(own, script()) == '{"data":{"sum":3}}'
    finally:
        own.close()


def test_the_process_outlives_the_thread_that_asked_first(pool: Pool):
    asked = threading.Thread(target=called, args=(pool, script()))
    asked.start()
    asked.join()
    (pid,) = pool.processes()
    time.sleep(0.2)
    assert called(pool, script()) == '{"data":{"sum":3}}'
    assert pool.processes() == [pid]


def test_threads_ask_several_codecs_at_once_and_each_has_its_own_answer(pool: Pool):
    scripts = [
        script(text=f"function Decode(p, b) {{ return {{ n: b[0] * {n} }}; }}") for n in range(1, 5)
    ]
    wrong: list[CodecAnswer] = []

    def work(number: int) -> None:
        for k in range(40):
            n = (number + k) % 4
            answer = pool.call(FOLDER, scripts[n], bytes((k,)), 1, 0.0)
            if answer.text != f'{{"data":{{"n":{k * (n + 1)}}}}}':
                wrong.append(answer)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(pool.processes()) == 4


def test_the_end_of_the_program_waits_for_no_codec_and_refuses_no_uplink():
    own, slow = Pool(), Script(FRAME, script("for (;;);").text, 30.0, *LIMITS[1:])
    made: list[object] = []

    def ask() -> None:
        with contextlib.suppress(SystemExit):  # which ends a thread in silence
            try:
                made.append(called(own, slow))
            except Exception as error:
                made.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: own.processes(), "the process of the codec", 20)
    own.close()
    asking.join(10)
    assert not asking.is_alive()
    assert made == []
    assert own.processes() == []


@pytest.mark.parametrize("act", ["", NATIVE])
def test_no_process_outlives_a_killed_service(act: str):
    program = (
        "import threading, time\n"
        "from edaphon_drivers.codec_process import pool\n"
        "from edaphon_drivers.codec_process import Script, engine_folder\n"
        "from edaphon_drivers.javascript import FRAME\n"
        "def call(text):\n"
        "    one = Script(FRAME, text, 100.0, 16 << 20, 256 << 10)\n"
        "    pool.call(engine_folder(), one, b'a', 1, 0.0)\n"
        f"threading.Thread(target=call, args=({script(act or 'for (;;);').text!r},)).start()\n"
        "while not pool.processes(): time.sleep(0.01)\n"
        "print(*pool.processes(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        assert there(pid)
        service.kill()
    wait_until(lambda: not runs(pid), "the end of the codec's process", 20)


def test_a_process_begins_where_the_service_itself_has_tight_limits():
    program = (
        "import resource\n"
        "from edaphon_drivers.javascript import Codec\n"
        "resource.setrlimit(resource.RLIMIT_AS, (75 << 20, 75 << 20))\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        f"print(Codec({SUM!r}, 'own.js').decode(bytes([1, 2]), 1))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{'sum': 3}\n", "")


def runs(pid: int) -> bool:
    """A zombie of whoever adopts orphans here does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_zone_of_the_machine_is_in_no_date_of_a_codec(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "America/St_Johns")
    own = Pool()
    try:
        text = "function Decode() { return { t: Date.parse('2026-01-31T12:00') }; }"
        assert called(own, script(text=text)) == '{"data":{"t":1769860800000}}'
    finally:
        own.close()
