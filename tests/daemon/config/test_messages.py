"""What a person typed, and what is answered: how to write it, not the nearest spelling."""

from pathlib import Path

import pytest

from edaphon.service.check import examine

BOX = '[logger]\nid = "l1"\n[site]\nid = "whs"\n[storage]\nfolder = "/var/lib/edaphon"\n'
BUS = '[bus.sdi12]\nkind = "sdi12"\nport = "/dev/ttyS0"\n'
PROBE = 'bus = "sdi12"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "10min"\n'
SOURCE = f"[[source]]\n{PROBE}"
CHANNEL = '[[channel]]\nid = "c"\nquantity = "soil_temperature"\nunit = "degC"\n'
DEPLOYED = (
    '[[deployment]]\nid = "d"\nchannel = "c"\nsource = "sdi12/a"\noutput = "soil_temperature"\n'
)
LOG = (
    '[[source]]\nfile = "/data/a.dat"\nname = "a"\nmodel = "campbell.toa5"\nexpect = "10min"\n'
    'settings = { utc_offset = "+01:00" }\n'
)
INTO_LOG = DEPLOYED.replace("sdi12/a", "file/a").replace("soil_temperature", "VWC_5cm")
PLOT = BOX + BUS + SOURCE + CHANNEL


def answers(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "edaphon.toml"
    file.write_text(text, "utf-8")
    return [f"{error.key}: {error.right}" for error in examine([file]).config_errors]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (PLOT + "depth_cm = 2,5\n", "depth_cm: use a decimal point: 2.5"),
        (PLOT + "depth_cm = -0,25 # below\n", "depth_cm: use a decimal point: -0.25"),
        (PLOT + 'depth_cm = "2,5"\n', "channel.depth_cm: use a decimal point: 2.5, without quotes"),
        (PLOT + DEPLOYED + "from = 01.11.2026 12:00\n", "from: write 2026-11-01T12:00:00+01:00"),
        (PLOT + DEPLOYED + "from = 1.11.2026\n", "from: write 2026-11-01T00:00:00+01:00"),
        (PLOT + DEPLOYED + "from = 2026-11-01 7:05\n", "from: write 2026-11-01T07:05:00+01:00"),
        (
            PLOT + DEPLOYED + 'from = "01.11.2026 12:00"\n',
            "deployment.from: write 2026-11-01T12:00:00+01:00",
        ),
        (PLOT.replace('"c"', "\u201cc\u201d"), 'id: use straight quotes: "c"'),
        (PLOT.replace('"degC"', "\u201edegC\u201c"), 'unit: use straight quotes: "degC"'),
        (
            BOX + BUS + f"[source]\n{PROBE}",
            "source: use [[source]] (double brackets) for each source",
        ),
        (
            BOX + BUS + f"[source]\n{PROBE}" + f"[source]\n{PROBE}".replace('"a"', '"b"'),
            ": use [[source]] (double brackets) for each source",
        ),
        (
            PLOT + DEPLOYED + "from = 2026-11-01T00:00:00Z\nto = 2026-10-01T00:00:00Z\n",
            "deployment: `to` is earlier than `from`",
        ),
        (
            PLOT.replace("soil_temperature", "soil moisture"),
            "channel.quantity: did you mean volumetric_water_content?",
        ),
        (
            PLOT.replace("soil_temperature", "Soil_Moisture"),
            "channel.quantity: did you mean volumetric_water_content?",
        ),
        (
            PLOT.replace("soil_temperature", "temperature"),
            "channel.quantity: did you mean soil_temperature?",
        ),
        (
            PLOT.replace("meter.teros12", "apogee.sq-422x"),
            'source.model: this model needs a `kind = "serial"` or `kind = "modbus-tcp"` bus',
        ),
        (
            BOX + LOG + CHANNEL + INTO_LOG,
            "deployment.output: your own columns need a model sheet: see docs/adding.md;"
            " known: battery_voltage, panel_temperature",
        ),
    ],
)
def test_the_answer_says_what_to_write(tmp_path: Path, text: str, right: str) -> None:
    assert answers(tmp_path, text) == [right]


def test_a_mistake_in_a_value_hides_no_other(tmp_path: Path) -> None:
    once = f"[source]\n{PROBE}"
    text = BOX + BUS + once + once.replace('"a"', '"b"') + CHANNEL + "depth_cm = 2,5\nunti = 1\n"
    assert answers(tmp_path, text) == [
        ": use [[source]] (double brackets) for each source",
        "depth_cm: use a decimal point: 2.5",
        "channel.unti: did you mean unit or quantity?",
    ]
