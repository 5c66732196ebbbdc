"""Commands called in this process, so that a test pays for no start of Python."""

import contextlib
import io
import json
import time
from collections.abc import Callable
from typing import Any

from tests.stories.station import Station

from edaphon.commands import main

__all__ = ["call", "call_json", "call_plain", "until"]


def call(station: Station, *words: str, codes: tuple[int, ...] = (0,)) -> tuple[str, str]:
    """What `edaphon WORDS --config ...` prints on stdout and on stderr."""
    return call_plain(*words, "--config", str(station.file), codes=codes)


def call_plain(*words: str, codes: tuple[int, ...] = (0,)) -> tuple[str, str]:
    """What `edaphon WORDS` prints on stdout and on stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(words))
        except SystemExit as end:
            code = end.code or 0
    stated, complained = (end.buffer.getvalue().decode() for end in (out, err))
    assert code in codes, (words, code, stated, complained)
    return stated, complained


def call_json(station: Station, *words: str, codes: tuple[int, ...] = (0,)) -> Any:
    return json.loads(call(station, *words, "--json", codes=codes)[0])


def until(true: Callable[[], object], within_s: float = 15.0) -> None:
    """Wait for something that the deriver's thread does."""
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()
