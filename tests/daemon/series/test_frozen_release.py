"""A release of the first days, as a file that every later version must read as it is."""

import zlib
from pathlib import Path

from edaphon.clock import DAY_NS
from edaphon.series import Series, read_release, release_problems

GOLDEN = Path(__file__).parent / "golden" / "release-2.sqlite.zlib.hex"
DIGEST = "c2c1d840f716b77837dff92261da3960adf04099835bd758996a000cc3af8547"


def test_a_release_of_version_2_is_read_and_proved(tmp_path: Path) -> None:
    path = tmp_path / "golden.sqlite"
    path.write_bytes(zlib.decompress(bytes.fromhex(GOLDEN.read_text("ascii"))))
    about = read_release(path)
    assert (about.name, about.rows, about.digest) == ("golden", 3, DIGEST)
    assert (about.channels[0].id, about.channels[0].unit) == ("P1-temp-5", "degC")
    assert release_problems(path) == []
    runs = Series(path, read_only=True).read("P1-temp-5", 0, 2**62)
    rows = [
        (int(t), None if v != v else float(v), int(flag), int(s), run.derivation)
        for run in runs
        for t, v, flag, s in zip(run.time_ns, run.value, run.flag, run.sequence, strict=True)
    ]
    first = 20_600 * DAY_NS
    assert rows == [
        (first, 11.38, 1, 1 << 32 | 7, "ca7777620e0e"),
        (first + 600 * 10**9, None, 9, 1 << 32 | 8, "ca7777620e0e"),
        (first + DAY_NS, -0.37, 3, 2 << 32 | 1, "ca7777620e0e"),
    ]
