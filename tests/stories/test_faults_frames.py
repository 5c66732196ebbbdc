"""Spoilt frames by the ten thousand: no crash, and how many wrong numbers each protocol lets by.

EDAPHON_FAULTS=long (`./run faults`) spoils a million frames of each engine; the table it prints
stands in docs/wrong-numbers.md.
"""

import pytest
from tests.drivers.good_frames import ENGINES, good_samples
from tests.drivers.mutations import SEED, Tally, campaign
from tests.stories.load import LONG, table

FRAMES = 1_000_000 if LONG else 50_000
# The bits of the checks that guard the numbers of a family; where no row stands, none guards them.
BITS = {
    "SDI-12 with CRC": 16,
    "DDI with CRC": 12,
    "DDI, checksum alone": 6,
    "Modbus RTU (CRC-16)": 16,
    "SenseCAP S210x (CRC-16)": 16,
    "NMEA 0183 (XOR of 8 bits)": 8,
    "LI-78xx (sum of 8 bits)": 8,
    "LI-78xx files (sum of 8 bits)": 8,
    "Vaisala CS4 (sum of 8 bits)": 8,
    "w1_slave of the kernel (CRC-8, sent twice)": 16,
    "words of I2C (CRC-8 each)": 8,
}
MARGIN, ALLOWED = 3, 3  # times the rate of random errors, and as many frames more


def most_wrong(family: str, frames: int) -> float:
    """Wrong numbers that the width of a check explains."""
    return MARGIN * frames / 2 ** BITS[family] + ALLOWED


@pytest.mark.timeout(3600 if LONG else 120)  # the guard against a decoder without an end
@pytest.mark.parametrize("name", ENGINES)
def test_spoilt_frames_crash_nothing_and_a_check_lets_by_what_its_width_says(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tallies, problems = campaign(good_samples(name), FRAMES)
    assert problems == []
    assert sum(tally.frames for tally in tallies.values()) == FRAMES
    rows = [(family, *figures(tally)) for family, tally in sorted(tallies.items())]
    head = ("family", "models", "spoilt", "faults", "wrong", "rate", "wrong times")
    title = f"{name}: {FRAMES:,} spoilt frames, seed {SEED}"
    table(capfd, title, [head, *rows])
    for family, tally in tallies.items():
        if family in BITS:
            assert tally.wrong <= most_wrong(family, tally.frames), (family, tally.examples)


def figures(tally: Tally) -> tuple[str, ...]:
    counts = (tally.frames, tally.faults, tally.wrong)
    rate = f"{100 * tally.rate:.3g} %"
    shown = [f"{count:,}" for count in counts]
    return (str(len(tally.models)), *shown, rate, f"{tally.wrong_times:,}")


def test_every_family_with_a_check_is_among_the_good_frames() -> None:
    """A renamed family would lose its limit."""
    families = {sample.family for name in ENGINES for sample in good_samples(name)}
    assert BITS.keys() <= families
