"""Line protocol: the frozen format, its escapes, and an independent parser's reading of it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point
from line_protocol_parser import parse_line
from tests.daemon.sinks.samples import CHANNELS, SWC, T0, TEMPERATURE, run, withdrawal

from edaphon.model import Channel, Observations
from edaphon.sinks.lines import LineWriter, tag_text, withdrawn_lines
from edaphon.sinks.sink import Never

GOLDEN = Path(__file__).parent / "golden" / "lines.txt"

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
names = texts.filter(lambda t: t and not t.endswith("\\") and not t.startswith("#"))
numbers = st.floats(allow_subnormal=False)  # strtod of the independent parser has a range
int64 = st.integers(-(2**62), 2**62)


def of(channel: Channel, time_ns: int = T0, flag: int = 1, **fields: float) -> Observations:
    made: dict[str, Any] = (
        dict.fromkeys(("value", "raw", "u_random", "u_systematic"), math.nan) | fields
    )
    return run(channel, n=1, start_ns=time_ns, flag=flag, **made)


def written(*runs: Observations, channel: Channel | None = None) -> str:
    channels = {channel.id: channel} if channel else CHANNELS
    return LineWriter(channels).batch(runs).decode()


def test_the_line_format_is_frozen_byte_by_byte() -> None:
    odd = Channel("a b,c=d", "odd, name=x", "1", "größe", depth_cm="-2.5")
    mixed = run(TEMPERATURE, n=4, raw=np.array([1.5, math.nan, math.inf, 1e300]), value=5e-324,
                u_random=0.1, u_systematic=np.array([math.nan, 0.5, 0.5, -0.0]))  # fmt: skip
    plain = run(
        raw=np.array([1803.25, 1800.0, 1e-7]), value=np.array([0.1, 0.30000000000000004, 1 / 3])
    )
    runs = [plain, mixed, of(SWC, flag=9), of(odd, T0 + 1, 3, value=1e22)]
    writer = LineWriter({**CHANNELS, odd.id: odd})
    assert b"".join(map(writer.lines, runs)).decode() == GOLDEN.read_text("utf-8")


@given(names, texts, names, numbers, numbers, int64, st.sampled_from([1, 2, 3, 4, 9]))
def test_an_independent_parser_reads_back_every_line(
    name: str, plot: str, site: str, value: float, raw: float, time_ns: int, flag: int
) -> None:
    plot = plot.rstrip("\\").lstrip("#")
    channel = Channel(name, "soil_temperature", "degC", site, plot)
    observation = of(channel, time_ns, flag, value=value, raw=raw)
    parsed = parse_line(written(observation, channel=channel).removesuffix("\n"))
    tags = {"channel": tag_text(name), "site": tag_text(site), "plot": tag_text(plot)}
    fields = {"value": value, "raw": raw, "flag": float(flag)}
    assert parsed == {
        "measurement": "soil_temperature",
        "tags": {key: text for key, text in tags.items() if text},
        "fields": {k: v for k, v in fields.items() if math.isfinite(v)}
        | {"derivation": "0123456789abcdef"},
        "time": time_ns,
    }


@given(names, names, names, numbers)
def test_lines_say_the_same_as_the_client_librarys_points(
    name: str, quantity: str, derivation: str, value: float
) -> None:
    channel = Channel(name, quantity, "1", "hw", "N1", depth_cm="5")
    line = written(run(channel, n=1, value=value, derivation=derivation), channel=channel)
    seen = run(channel, n=1, value=value)
    made: Any = Point  # the library has no types
    point = made(quantity).time(T0).tag("channel", name).tag("site", "hw").tag("plot", "N1")
    point.tag("depth_cm", "5").field("flag", 1.0).field("derivation", tag_text(derivation))
    for field in ("value", "raw", "u_random", "u_systematic"):
        point.field(field, float(getattr(seen, field)[0]))
    assert parse_line(line.removesuffix("\n")) == parse_line(point.to_line_protocol())


@given(st.lists(numbers, min_size=1, max_size=40), st.lists(numbers, min_size=1, max_size=40))
def test_rows_with_missing_numbers_keep_their_order_and_their_other_numbers(
    values: list[float], raws: list[float]
) -> None:
    n = min(len(values), len(raws))
    observations = run(n=n, value=np.array(values[:n]), raw=np.array(raws[:n]))
    parsed = [parse_line(line) for line in written(observations).splitlines()]
    assert [p["time"] for p in parsed] == observations.time_ns.tolist()
    for p, value, raw in zip(parsed, values, raws, strict=False):
        assert p["fields"].get("value") == (value if math.isfinite(value) else None)
        assert p["fields"].get("raw") == (raw if math.isfinite(raw) else None)


def test_splitting_a_batch_changes_no_byte() -> None:
    runs = [run(n=5), run(TEMPERATURE, n=2), run(n=4, start_ns=T0 + 10**15, value=math.nan)]
    writer = LineWriter(CHANNELS)
    assert sorted(writer.batch(runs).splitlines()) == sorted(
        line for each in runs for line in writer.lines(each).splitlines()
    )


def test_a_channels_revisions_keep_their_order_in_a_batch() -> None:
    runs = [run(n=1, derivation=d, flag=f) for d, f in (("a", 1), ("b", 2), ("a", 3))]
    flags = [parse_line(line)["fields"]["flag"] for line in written(*runs).splitlines()]
    assert flags == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", ["ends\\", "#comment"])
def test_a_name_that_line_protocol_cannot_write_is_refused(name: str) -> None:
    channel = Channel(name, name, "1", "hw")
    with pytest.raises(Never, match="cannot write"):
        written(run(channel), channel=channel)


def test_an_undefined_channel_is_refused_by_name() -> None:
    with pytest.raises(Never, match="'elsewhere' is not defined"):
        written(run(Channel("elsewhere", "soil_temperature", "degC", "hw")))


def test_a_new_line_in_a_name_makes_no_new_point() -> None:
    channel = Channel("a\nsoil_temperature value=1 1", "soil_temperature", "degC", "hw\r\t")
    line = written(run(channel, n=1), channel=channel)
    assert line.count("\n") == 1
    assert "\r" not in line
    assert "\t" not in line


def test_a_withdrawn_point_is_laid_over_with_flag_nine_alone() -> None:
    line = withdrawn_lines(LineWriter(CHANNELS), withdrawal(SWC, T0)).decode()
    assert parse_line(line.strip())["fields"] == {"flag": 9.0, "derivation": "withdrawn"}
