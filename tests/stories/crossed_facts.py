"""What people write down about the plot whose cables were crossed, in the order of their files."""

from tests.stories.crossed import (
    BATH,
    CHANNELS,
    CONFIRMED,
    FOUND,
    INSTALLED,
    OF_C,
    RECOVERED,
    RIGHT,
    RIGHTED,
    SERIALS,
    SWAPPED,
    WRONG,
    Line,
    N,
    instant,
)

__all__ = ["AT_START", "CHECKED", "CROSSED", "DRIFT", "PATHS", "SOIL", "SWAP"]

PATHS = {"a": "sdi12/a", "b": "sdi12/b"}
OUTPUTS = {"vwc": "water_content_counts", "temp": "soil_temperature"}


def deployment(channel: str, probe: str, begin: int, end: int | None = None, of: str = "") -> str:
    kind, address = channel.split("-")[1], "b" if probe == "B" else "a"
    text = (
        f'[[deployment]]\nid = "{probe}-{channel}-{begin}-{end}"\nchannel = "{channel}"\n'
        f'source = "{PATHS[address]}"\noutput = "{OUTPUTS[kind]}"\nsensor = "{SERIALS[probe]}"\n'
        f"from = {instant(begin)}\n"
    )
    text += f"to = {instant(end)}\n" if end is not None else ""
    text += 'factory = "mineral"\n' if kind == "vwc" else ""
    return text + (f'supersedes = "{of}"\n' if of else "")


def calibration(line: Line, curve: str, subject: str, begin: int, more: str = "") -> str:
    names = ["offset"] if curve == "offset" else ["c0", "c1", "c2"][: len(line.covariance)]
    numbers = ", ".join(f"{name} = {c}" for name, c in zip(names, line.c, strict=False))
    rows = [list(map(float, row)) for row in line.covariance]
    return (
        f'[[calibration]]\nid = "{line.name}"\n{subject}curve = "{curve}"\n'
        f"parameters = {{ {numbers} }}\ncovariance = {rows}\nfrom = {instant(begin)}\n{more}"
    )


def sensor(probe: str) -> str:
    return f'[[sensor]]\nid = "{SERIALS[probe]}"\nmodel = "meter.teros12"\n'


def of_sensor(probe: str, kind: str) -> str:
    return f'sensor = "{SERIALS[probe]}"\noutput = "{OUTPUTS[kind]}"\n'


def check(name: str, state: str, span: str, reading: float) -> str:
    return (
        f'[[check]]\nid = "{name}"\nchannel = "P1-temp-20"\nstate = "{state}"\n{span}'
        f"reading = {reading}\nreference_value = 12.0\nu_reference = 0.1\n"
    )


AT_START = "".join(
    [
        '[[plot]]\nid = "P1"\n',
        *map(sensor, "AB"),
        *(
            f'[[channel]]\nid = "{id}"\nplot = "P1"\nquantity = "{quantity}"\n'
            f'unit = "{"degC" if "temp" in id else "m3/m3"}"\ndepth_cm = {id.split("-")[2]}\n'
            for id, quantity in CHANNELS.items()
        ),
        *(deployment(id, "A" if id.endswith("-5") else "B", 0) for id in CHANNELS),
        calibration(WRONG, "polynomial", 'channel = "P1-vwc-20"\n', 0),
        calibration(BATH, "offset", of_sensor("B", "temp"), 0),
    ]
)
SWAP = "".join(
    [
        sensor("C"),
        *(
            deployment(id, "A", 0, SWAPPED, f"A-{id}-0-None") + deployment(id, "C", SWAPPED)
            for id in ("P1-vwc-5", "P1-temp-5")
        ),
        calibration(
            OF_C,
            "polynomial",
            of_sensor("C", "vwc"),
            SWAPPED,
            'from_unit = "count"\nto_unit = "m3/m3"\n',
        ),
    ]
)
CROSSED = "".join(
    deployment(f"P1-{kind}-20", "A", INSTALLED, RIGHTED, f"A-P1-{kind}-5-0-{SWAPPED}")
    + deployment(f"P1-{kind}-5", "A", RIGHTED, SWAPPED)
    + deployment(f"P1-{kind}-5", "B", INSTALLED, RIGHTED, f"B-P1-{kind}-20-0-None")
    + deployment(f"P1-{kind}-20", "B", RIGHTED)
    for kind in OUTPUTS
)
SOIL = calibration(RIGHT, "polynomial", 'channel = "P1-vwc-20"\n', 0, 'supersedes = "soil-20"\n')
DRIFT = calibration(
    RECOVERED,
    "linear",
    of_sensor("B", "temp"),
    0,
    f'to = {instant(N)}\ndrifts_from = "B-bath"\n',
)
CHECKED = check(
    "found", "as found", f"from = {instant(FOUND)}\nto = {instant(CONFIRMED)}\n", 13.5
) + check("left", "as left", f"from = {instant(CONFIRMED)}\n", 12.2)
