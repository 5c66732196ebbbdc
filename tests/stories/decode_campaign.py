"""`edaphon decode` over good and spoilt payloads of every model, as a person would type them."""

import contextlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import typer
from tests.drivers.good_frames import good_samples
from tests.drivers.mutations import Sample, mutated, random_of

from edaphon.commands.decode import decode
from edaphon.commands.line import escaped
from edaphon_calibration.checks import physical_limits
from edaphon_drivers.checksums import has_crc
from edaphon_drivers.sheets import Sheet, load_sheet

__all__ = [
    "Decodes",
    "Typed",
    "good_payloads",
    "payloads_with_words",
    "spoilt_payloads",
    "wrong_in",
]

FEW = 2
WORDS = (b"\x80\x00", b"\x00\x80", b"\x7f\xff", b"\xff\x7f", b"\xff\xff", b"\x00\x00")
HEX = frozenset({"lorawan", "modbus", "i2c"})
Typed = tuple[str, int | None, str]  # payload, port, topic


@dataclass(slots=True)
class Decodes:
    """What came of payloads of one model: exits by code, numbers, impossible ones, complaints."""

    exits: Counter[int] = field(default_factory=Counter)
    numbers: int = 0
    impossible: int = 0
    wrong: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def run(self, model: str, payloads: Iterable[Typed]) -> "Decodes":
        for typed in payloads:
            code, out, err = _decoded(model, typed)
            self.exits[code] += 1
            self.words.append(err)
            self.wrong += [f"{model} {typed}: {why}" for why in wrong_in(code, out, err)]
            for row in orjson.loads(out or "[]"):
                self.numbers += row["value"] is not None
                self.impossible += row["status"] == "impossible"
        return self


def _decoded(model: str, typed: Typed) -> tuple[int, str, str]:
    """(exit code, stdout, stderr); anything but an exit comes through."""
    payload, port, topic = typed
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            decode(payload, model, port=port, topic=topic, json=True)
        except typer.Exit as end:
            code = end.exit_code
    out.flush()
    return code, out.buffer.getvalue().decode(), err.getvalue()  # type: ignore[attr-defined]


def wrong_in(code: int, out: str, err: str) -> Iterator[str]:
    """What no decode may do: a number outside physics, an exit without a line that says why."""
    if code and (code not in {1, 2} or not _says_why(err)):
        yield f"exit {code} with {err!r}"
    for row in orjson.loads(out or "[]"):
        if row["value"] is None:
            continue
        lowest, highest = physical_limits(row["quantity"], row["unit"])[:2]
        if not lowest <= row["value"] <= highest or row["status"] != "ok":
            yield f"{row}"


def _says_why(err: str) -> bool:
    """One line with what was expected, or a file's refused lines and the account of all."""
    *lines, last = err.strip().splitlines()
    if re.fullmatch(r"\d+ lines: .* [1-9]\d* refused", last):
        return all("refused" in line for line in lines)
    return not lines and "expected" in last


def good_payloads(model: str) -> list[Typed]:
    """Of transcripts, published frames and frames made from the sheet."""
    return [_typed(*frame) for frame in _frames(model)]


def spoilt_payloads(model: str, count: int) -> Iterator[Typed]:
    rng, frames = random_of(f"decode {model}"), _frames(model)
    for n in range(count):
        sample, data = frames[n % len(frames)]
        yield _typed(sample, mutated(rng, data, rng.choice(frames)[1])[1])


def payloads_with_words(model: str) -> Iterator[Typed]:
    """Good frames with what a sensor that has gone sends; a Modbus frame stands without its CRC."""
    for sample, data in _frames(model)[:FEW]:
        body = data[:-2] if sample.engine == "modbus" and has_crc(data) else data
        for at in range(len(body) - 1):
            for word in WORDS:
                yield _typed(sample, body[:at] + word + body[at + 2 :])


def _frames(model: str) -> list[tuple[Sample, bytes]]:
    own = [s for s in good_samples(load_sheet(model).engine) if s.sheet.model == model]
    return [(s, data) for s in own for data in dict.fromkeys((*s.frames, *_whole(s)))]


def _whole(sample: Sample) -> Iterator[bytes]:
    """All that was answered in an exchange, as a person copies it."""
    first = next(iter(_arguments(sample)), None)
    if isinstance(first, tuple | list):
        yield b"".join(turn.data for turn in first if not turn.sent)


def _arguments(sample: Sample) -> tuple[Any, ...]:
    return getattr(sample.decode, "args", ())


def _typed(sample: Sample, data: bytes) -> Typed:
    sheet = sample.sheet
    port = _arguments(sample)[0] if sheet.engine == "lorawan" else None
    topics = list(sheet.frame.get("topics", {}).values())
    return _text(sheet, data), port, topics[0] if len(topics) > 1 else ""


def _text(sheet: Sheet, data: bytes) -> str:
    if sheet.engine in HEX:
        return data.hex()
    if sheet.engine == "message":
        return data.decode("utf-8", "surrogateescape")
    return escaped(data)
