"""Spoils good frames and counts what a decoder makes of them: faults, same numbers, wrong numbers.

A number is wrong when the decoder gives it and the frame before its spoiling (or either of the two
that were spliced) did not hold it for that output. A frame that the spoiling left as it was is not
counted.
"""

import math
import os
import random
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import Sheet

__all__ = ["MUTATIONS", "SEED", "Sample", "Tally", "campaign", "complaints", "mutated", "random_of"]

SEED = os.environ.get("EDAPHON_SEED", "1")

Decode = Callable[[bytes], Sequence[Reading]]
Held = dict[str, set[tuple[float | None, int | None]]]


class Sample(NamedTuple):
    """Good frames of one kind of one instrument; `family` says what protects them."""

    engine: str
    family: str
    sheet: Sheet
    frames: tuple[bytes, ...]
    decode: Decode


@dataclass(slots=True)
class Tally:
    """What came of the spoilt frames of one family."""

    frames: int = 0
    faults: int = 0
    wrong: int = 0
    wrong_times: int = 0
    models: set[str] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Frames with a wrong number, of all spoilt ones."""
        return self.wrong / max(1, self.frames)


def random_of(what: str) -> random.Random:
    """Repeatable choices, other ones with EDAPHON_SEED."""
    return random.Random(f"{what} {SEED}")


def one_bit(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return _flipped(rng, data, 1)


def some_bits(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return _flipped(rng, data, rng.randint(2, 8))


def _flipped(rng: random.Random, data: bytes, times: int) -> bytes:
    spoilt = bytearray(data)
    for _ in range(times):
        bit = rng.randrange(8 * len(spoilt))
        spoilt[bit >> 3] ^= 1 << (bit & 7)
    return bytes(spoilt)


def bytes_changed(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Some to others of the frame's own, as a digit to a digit, some to any."""
    spoilt = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        own = rng.random() < 0.5
        spoilt[rng.randrange(len(spoilt))] = rng.choice(data) if own else rng.getrandbits(8)
    return bytes(spoilt)


def deletion(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 4) :]


def insertion(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at, own = rng.randrange(len(data) + 1), rng.random() < 0.5
    count = rng.randint(1, 4)
    new = bytes(rng.choices(data, k=count)) if own else rng.randbytes(count)
    return data[:at] + new + data[at:]


def truncation(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] if rng.random() < 0.8 else data[at:]


def duplication(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Part of the frame, or all of it, comes twice."""
    start = 0 if rng.random() < 0.2 else rng.randrange(len(data))
    end = rng.randint(start + 1, len(data))
    return data[:end] + data[start:end] + data[end:]


def splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """The beginning of one frame and the end of another, cut at the same place or anywhere."""
    at = rng.randrange(len(data) + 1)
    theirs = at if rng.random() < 0.5 else rng.randrange(len(other) + 1)
    return data[:at] + other[theirs:]


def noise(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A burst over part of the frame, or in front of it, or behind."""
    burst = rng.randbytes(rng.randint(2, 12))
    where = rng.random()
    if where < 0.2:
        return burst + data if where < 0.1 else data + burst
    at = rng.randrange(len(data))
    return data[:at] + burst + data[at + len(burst) :]


MUTATIONS = (
    one_bit, some_bits, bytes_changed, deletion, insertion, truncation, duplication, splice, noise,
)  # fmt: skip


def mutated(rng: random.Random, data: bytes, other: bytes) -> tuple[str, bytes]:
    """(which mutation, the spoilt frame), never the frame itself."""
    while True:
        mutation = rng.choice(MUTATIONS)
        if (spoilt := mutation(rng, data, other)) != data:
            return mutation.__name__, spoilt


def spoil(sample: Sample, count: int, rng: random.Random) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(frame, the one it may be spliced with, what became of it), `count` times."""
    for n in range(count):
        data = sample.frames[n % len(sample.frames)]
        other = rng.choice(sample.frames)
        yield data, other, mutated(rng, data, other)[1]


def held(readings: Iterable[Reading]) -> Held:
    """The numbers of each output with the times that they were stated to be of."""
    found: Held = defaultdict(set)
    for reading in readings:
        found[reading.output].add((reading.number, reading.time_ns))
    return found


def complaints(readings: Iterable[Reading], sheet: Sheet) -> Iterator[str]:
    """What is wrong in readings whatever they were decoded from."""
    for r in readings:
        output = sheet.outputs.get(r.output)
        if output is None or (r.quantity, r.unit) != (output.quantity, output.unit):
            yield f"{r} is not of the sheet {sheet.model}"
        if (r.number is None) is (r.status is Status.OK):
            yield f"{r}: a number exactly where the status is ok"
        if r.number is not None and not math.isfinite(r.number):
            yield f"{r} is not finite"


def campaign(samples: Sequence[Sample], count: int) -> tuple[dict[str, Tally], list[str]]:
    """Tallies by family of `count` spoilt frames, and what no decoder may do, with the frame."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    errors: list[str] = []
    for n, sample in enumerate(samples):
        share = count * (n + 1) // len(samples) - count * n // len(samples)
        tally = tallies[sample.family]
        tally.models.add(sample.sheet.model)
        errors += _tallied(sample, share, tally)
    return dict(tallies), errors


def _tallied(sample: Sample, count: int, tally: Tally) -> Iterator[str]:
    known = {frame: held(sample.decode(frame)) for frame in sample.frames}
    rng = random_of(f"{sample.family} {sample.sheet.model}")
    for data, other, spoilt in spoil(sample, count, rng):
        tally.frames += 1
        try:
            readings = sample.decode(spoilt)
        except Fault:
            tally.faults += 1
            continue
        except Exception:  # whatever it is: it is what this looks for
            yield f"{sample.sheet.model} {spoilt!r}: {traceback.format_exc(limit=-4)}"
            continue
        for complaint in complaints(readings, sample.sheet):
            yield f"{spoilt!r}: {complaint}"
        _judge(readings, (known[data], known[other]), tally, sample, spoilt)


def _judge(
    readings: Iterable[Reading],
    known: tuple[Held, Held],
    tally: Tally,
    sample: Sample,
    spoilt: bytes,
) -> None:
    wrong = [r for r in readings if r.number is not None and not _is_said(r, known)]
    numbers = [r for r in wrong if not _is_number(r, known)]
    if numbers:
        tally.wrong += 1
        if len(tally.examples) < 3:
            tally.examples.append(f"{sample.sheet.model} {spoilt!r} -> {numbers[0]}")
    elif wrong:
        tally.wrong_times += 1


def _is_said(r: Reading, known: tuple[Held, Held]) -> bool:
    return any((r.number, r.time_ns) in frame.get(r.output, ()) for frame in known)


def _is_number(r: Reading, known: tuple[Held, Held]) -> bool:
    return any(r.number == number for frame in known for number, _ in frame.get(r.output, ()))
