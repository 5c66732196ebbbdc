"""The process in which one maker's codec runs: uplinks come on standard input, answers go out.

Started by codec_process.py as a file of its own, so that it holds the standard library and the
engine, and nothing of edaphon. It first gives away all that a codec has no use for; the kernel
holds it to that. Arguments: the folder of the engine, the process that starts it.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from importlib import import_module
from types import ModuleType

HEAD = struct.Struct("<I")  # bytes of the frame that follows
SETTINGS = struct.Struct("<ddQQII")  # CPU [s], of native code too [s], bytes, stack, two lengths
CALL = struct.Struct("<Iqd")  # number of the call, port, time of receipt [ms]; the data follow
ANSWER = struct.Struct("<Ic")  # number of the call, one of the kinds below; a text follows
ANSWERED, THREW, MEMORY = b"A", b"T", b"M"
LONGEST_WORDS = 4096  # of the engine, for a person
LONGEST_REQUEST_BYTES = 8 << 20
LIFE_CPU_S = 4 * 3600  # more than all calls of a process may take together
SPARE_BYTES = 64 << 20  # address space above that of the empty process
_PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS = 1, 4, 38  # prctl(2)
_FIRST_TO_GO = b"1000"  # when the kernel is out of memory


def main() -> None:
    sys.path.append(sys.argv[1])
    engine = import_module("_quickjs")  # without its package, which starts a thread
    sys.path.clear()
    _give_away(int(sys.argv[2]))
    settings = _frame()
    cpu_s, native_s, memory, stack, frame_length, _ = SETTINGS.unpack_from(settings)
    texts = settings[SETTINGS.size :]
    frame, codec = texts[:frame_length].decode(), texts[frame_length:].decode()
    del settings, texts
    _send(0, ANSWERED, "")
    while request := _frame():
        number, port, now_ms = CALL.unpack_from(request)
        signal.setitimer(signal.ITIMER_PROF, native_s)  # its signal ends the process
        kind, text = _answer(
            engine, (frame, codec), (cpu_s, memory, stack), (request[CALL.size :], port, now_ms)
        )
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(number, kind, text)


def _answer(
    engine: ModuleType,
    texts: tuple[str, str],
    limits: tuple[float, int, int],
    uplink: tuple[bytes, int, float],
) -> tuple[bytes, str]:
    """A context of its own for each call: nothing an uplink leaves behind reaches the next."""
    data, port, now_ms = uplink
    try:
        context = engine.Context()
        context.set_max_stack_size(limits[2])
        context.set_memory_limit(limits[1])
        run = context.eval(texts[0])
        context.set_time_limit(limits[0])
        return ANSWERED, run(texts[1], str(list(data)), port, now_ms)
    except engine.JSException as thrown:
        return THREW, str(thrown)[:LONGEST_WORDS]
    except (ValueError, MemoryError):
        return MEMORY, ""


def _give_away(parent: int) -> None:
    """No file, process, core or larger memory from here on; ends with the thread it began with."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", 0) as score:
        score.write(_FIRST_TO_GO)
    with open("/proc/self/statm", "rb") as sizes:
        used = int(sizes.read().split()[0]) * resource.getpagesize()
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for option, value in ((_PDEATHSIG, signal.SIGKILL), (_NO_NEW_PRIVS, 1), (_DUMPABLE, 0)):
        if prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))):
            raise OSError(ctypes.get_errno(), f"prctl {option}")
    if os.getppid() != parent:
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    limits = {
        resource.RLIMIT_AS: used + SPARE_BYTES,
        resource.RLIMIT_CPU: LIFE_CPU_S,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (most, most))


def _frame() -> bytes:
    """Ends the process when the other end is closed, or sends what is no frame."""
    (length,) = HEAD.unpack(_read(HEAD.size))
    if length > LONGEST_REQUEST_BYTES:
        os._exit(2)
    return _read(length)


def _read(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(0, count - len(parts))
        if not part:
            os._exit(0)
        parts += part
    return bytes(parts)


def _send(number: int, kind: bytes, text: str) -> None:
    body = ANSWER.pack(number, kind) + text.encode("utf-8", "replace")
    rest = memoryview(HEAD.pack(len(body)) + body)
    while rest:
        rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    main()
