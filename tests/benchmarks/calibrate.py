"""Calibrating with uncertainty, on one core and in memory, next to what memory itself allows."""

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
from tests.benchmarks.figures import Figure

from edaphon_calibration import SAME, apply_chain, from_limits, prepare_step
from edaphon_calibration.arrays import AT_ONCE, Float, horner
from edaphon_calibration.chain import Calibrated
from edaphon_calibration.curves import find_curve

__all__ = ["TITLE", "figures"]

PART, ROUNDS = 10_000_000, 3
MEMORY = Path("/proc/meminfo")
TITLE = "Topp 1980 through the chain, on one core, next to yardsticks of the same run"


def figures(_folder: Path) -> list[Figure]:
    n, topp = _count(), prepare_step(find_curve("topp_1980"))
    raw, p = _permittivities(n), topp.parameters

    def chain(x: Float) -> Calibrated:
        return apply_chain(x, SAME, (topp,), from_limits(0.5), 0.05, 0.01)

    works: list[Callable[[Float], object]] = [
        np.copy, chain, lambda x: _powers(x, p), lambda x: _blocks(x, p)
    ]  # fmt: skip
    rounds = [[_timed(work, raw) for work in works] for _ in range(ROUNDS)]
    copy, ours, naive, blocks = (n / median(took) for took in zip(*rounds, strict=True))
    return [
        Figure("values in memory", n),
        Figure("Topp with uncertainty, values per s; yardstick a plain copy", ours, copy),
        Figure("that ratio", ours / copy, 1 / 8, True),
        Figure("Topp with uncertainty; yardstick naive powers, value alone", ours, naive),
        Figure("Topp with uncertainty; yardstick Horner in blocks, value alone", ours, blocks),
        Figure("one value alone [us]", _alone_us(chain, raw[:1].copy())),
    ]


def _count() -> int:
    """A hundred million, fewer where less than 6 GB are free."""
    words = MEMORY.read_text().split()
    free_kb = int(words[words.index("MemAvailable:") + 1])
    return 100_000_000 if free_kb > 6_000_000 else 2 * PART


def _permittivities(n: int) -> Float:
    rng, raw = np.random.default_rng(1), np.empty(n)
    for part in _parts(raw):
        rng.random(out=part)
        part *= 37.0
        part += 3.0
    return raw


def _parts(raw: Float) -> Iterator[Float]:
    """What is worked on at once: results of all of it would not fit next to it in 3 GB."""
    for start in range(0, len(raw), PART):
        yield raw[start : start + PART]


def _timed(work: Callable[[Float], object], raw: Float) -> float:
    gc.collect()
    begun = time.process_time()
    for part in _parts(raw):
        work(part)
    return time.process_time() - begun


def _powers(x: Float, c: Float) -> Float:
    c0, c1, c2, c3 = c.tolist()
    y: Float = c0 + c1 * x + c2 * x**2 + c3 * x**3
    return y


def _blocks(x: Float, c: Float) -> Float:
    y = np.empty_like(x)
    for start in range(0, len(x), AT_ONCE):
        y[start : start + AT_ONCE] = horner(x[start : start + AT_ONCE], c)
    return y


def _alone_us(work: Callable[[Float], object], one: Float, times: int = 2000) -> float:
    begun = time.process_time()
    for _ in range(times):
        work(one)
    return (time.process_time() - begun) / times * 1e6
