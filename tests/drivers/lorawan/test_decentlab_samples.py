"""Decentlab: the maker's sample message of each model, with all sensors, gives the maker's numbers.

Payloads of decentlab-decoders; numbers in the order of the sheets, to ten digits.
"""

import itertools
import math
import random
import struct

import numpy as np
import pytest

from edaphon_calibration.curves import find_curve
from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import load_sheet, model_names

MODELS = [name for name in model_names() if name.startswith("decentlab.")]

SAMPLES: dict[str, tuple[str, list[float | None]]] = {
    "dl-10hs": ("0202df000393710c60", [455.657959, 3.168]),
    "dl-5tm": ("02023b0003003702710c60", [1.1, 22.5, 3.168]),
    "dl-gs3": ("0203630003009980e100010c60", [1.53, 22.5, 1, 3.168]),
    "dl-atm22": (
        "0208c900038009812b8014810880027fe8800880040bf5",
        [0.09, 29.9, 0.2, 26.4, 0.2, -2.4, 0.08, 0.04, 3.061],
    ),
    "dl-atm41": (
        "02035a0003800a8000800080008009812b8014810880b4a57c820c810980027fe88056800880040bf5",
        [
            10,
            0,
            0,
            0,
            0.09,
            29.9,
            0.2,
            26.4,
            1.8,
            95.96,
            52.4,
            26.5,
            0.2,
            -2.4,
            86,
            0.08,
            0.04,
            3.061,
        ],
    ),
    "dl-atm41g2": (
        "025ef80003805c000080008000803484b3803680e78086a60181d680ed81c9809f8000117000010adc",
        [9.2, 0, 0, 0, 0.52, 120.3, 0.54, 23.1, 1.34, 97.29, 47, 23.7, 45.7, 15.9, 0, 70, 2.78],
    ),
    "dl-ctd10": ("0207d9000390888081006400000c60", [4232, 12.9, 100, 0, 3.168]),
    "dl-ctd10b": ("0207d9000390888081006400000c60", [4232, 12.9, 200, 0, 3.168]),
    "dl-cws2": (
        "0258c000074676fa0a81c9813fa6d88137802581300b91",
        [3.16739147, 97.67299916, 4.57, 3.19, 99.44, 3.11, 37, 3.04, 2.961],
    ),
    "dl-dlr2-004": ("0208b200038bb80c60", [13.73291016, 3.168]),
    "dl-dlr2-005": ("02113a0003c55500d80c6d", [2.080566287, 3.181]),
    "dl-dlr2-006": ("0211110003409a00860c54", [0.04884648323, 3.156]),
    "dl-dlr2-008": ("0207df000317de008d0c60", [107.8045809, 3.168]),
    "dl-dlr2-009": ("024c620003573400ad0ae1", [1097.047828, 2.785]),
    "dl-dlr2-010": (
        "02198f0007000402580bf0000100000258dece00000c33",
        [4, 600, 68592, 0, 600, 57038, 3.123],
    ),
    "dl-dlr2-011": ("0243710007000100000af9", [1, 0, 2.809]),
    "dl-kl66": ("0203d400033bf67fff3bf60c60", [15350, 0.9999694824, 15350.46846, 3.168]),
    "dl-ifd": ("0256dc000302bc0c48", [7, 3.144]),
    "dl-isd": ("0256e100030b520c52", [2.898, 3.154]),
    "dl-isf": (
        "023d0100030c290bab0c3e79707a1d78437991490845997e4cacdeaa6e00000000457e415a0b59",
        [
            -0.192,
            -2.208,
            0.144,
            -0.05184,
            0.00352,
            -0.14816,
            -0.04128,
            37.392,
            35.634,
            -4.36,
            11.486,
            10.862,
            0,
            35.58,
            33.46,
            2.905,
        ],
    ),
    "dl-lid": (
        "0211c90003119b117611bc119e118a119411a811a81194006401990abd",
        [4507, 4470, 4540, 4510, 4490, 4500, 4520, 4520, 4500, 100, 399.4140625, 2.749],
    ),
    "dl-lid2": (
        "023ec50003067a06360686067c0636067c068606860686000a0053000a0be6",
        [1658, 1590, 1670, 1660, 1590, 1660, 1670, 1670, 1670, 10, 81.0546875, 10, 3.046],
    ),
    "dl-lpw": ("0211110003409a00860c54", [4.884648323, 3.156]),
    "dl-lws": ("0211110003409a00860c54", [0.04884648323, 3.156]),
    "dl-mbx": ("02012f000304d200010bb1", [1234, 1, 2.993]),
    "dl-optod": ("02186c000300008862a618836583650c60", [0, 21.46, 97.52, 8.69, 8.69, 3.168]),
    "dl-pm": (
        "021b50000f0c25002500270027002701f50107012c012d012d012d67bd618dbd10",
        [
            3.109,
            3.7,
            3.9,
            3.9,
            3.9,
            501,
            26.3,
            30,
            30.1,
            30.1,
            30.1,
            24.35660461,
            41.63221741,
            96800,
        ],
    ),
    "dl-pr26": ("02016700033e8060170c7f", [-0.01171875, 25.671875, 3.199]),
    "dl-pr36": ("02032b0003806797810c2b", [0.01257324219, 23.50390625, 3.115]),
    "dl-pr36ctd": (
        "020a17000380079786978180060c2b",
        [0.0008544921875, 23.5234375, 23.50390625, 0.005859375, 3.115],
    ),
    "dl-pyr": ("020291000380690c60", [48.06518555, 3.168]),
    "dl-sdd": (
        "0243e300058000800080008000800080008741877b8749876c876c876600000000000000000000014a09e3",
        [
            0,
            0,
            0,
            0,
            0,
            0,
            18.57,
            19.15,
            18.65,
            19,
            19,
            18.94,
            None,
            None,
            None,
            None,
            None,
            230,
            2.531,
        ],
    ),
    "dl-tbrg": ("0202f8000300040258409a00000c54", [0.4, 600, 1653.8, 3.156]),
    "dl-trs21": ("0201920003007580a10c25", [-11.7, 16.1, 3.109]),
    "dl-wrm": ("021a10000764a079b104f904c40c60", [23.78767071, 47.53643091, 27.3, 22, 3.168]),
    "dl-zn1": ("0211110003409a00860c54", [976.9296646, 3.156]),
    "dl-ds182": ("023ca4000781775166817359990c60", [23.4375, 20838, 23.1875, 22937, 3.168]),
    "dl-epar": ("02445a000381ca0c72", [65.51742554, 3.186]),
    "dl-sht21": ("02030e000364a079b10c60", [22.21962891, 53.41963196, 3.168]),
    "dl-sht35": ("02030e000364a079b10c60", [23.78767071, 47.53643091, 3.168]),
}

# What the maker's decoders compute from one of these numbers by the factory curve of that name.
COMPUTED = [
    ("dl-10hs", "sensor_voltage", "mineral", 455.65795898438, -0.1208597725),
    ("dl-5tm", "relative_permittivity", "topp", 1.1, -0.0215397767),
    ("dl-gs3", "relative_permittivity", "gs3", 1.53, -0.02091167031),
    ("dl-dlr2-008", "resistance", "pt100", 107.80458087618, 20.03106497),
    ("dl-dlr2-009", "resistance", "pt1000", 1097.0478279779, 24.90812751),
    ("dl-kl66", "frequency", "sample_weight", 15350.46845912, -47.50668964),
    ("dl-kl66", "frequency", "sample_elongation", 15350.46845912, 0.6988257799),
    ("dl-kl66", "frequency", "sample_strain", 15350.46845912, 10.58826939),
]


def decoded(model: str, payload: str) -> dict[str, Reading]:
    readings = decode_uplink(bytes.fromhex(payload), 1, load_sheet(f"decentlab.{model}"))
    return {r.output: r for r in readings}


@pytest.mark.parametrize("model", SAMPLES)
def test_the_makers_sample_message_gives_the_makers_numbers(model: str) -> None:
    payload, expected = SAMPLES[model]
    numbers = [r.number for r in decoded(model, payload).values()]
    assert [n is None for n in numbers] == [n is None for n in expected]
    there = [n for n in numbers if n is not None]
    assert there == pytest.approx([n for n in expected if n is not None], rel=1e-9)


@pytest.mark.parametrize(("model", "output", "name", "number", "expected"), COMPUTED)
def test_a_factory_curve_gives_what_the_makers_decoder_computes(
    model: str, output: str, name: str, number: float, expected: float
) -> None:
    factory = load_sheet(f"decentlab.{model}").outputs[output].factory
    (chosen,) = [f for f in factory if f.name == name]
    known = find_curve(chosen.curve)
    computed = known.value(np.array([number]), known.parameter_vector(chosen.parameters))
    assert computed.tolist() == pytest.approx([expected], rel=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_any_words_in_a_frame_of_the_right_length_give_finite_numbers_or_a_status(
    model: str,
) -> None:
    sheet = load_sheet(model)
    sensors = sheet.frame["sensor"]
    rng = random.Random(20261122)
    for taken in itertools.product([False, True], repeat=len(sensors)):
        used = [s for s, is_there in zip(sensors, taken, strict=True) if is_there]
        flags = sum(1 << n for n, is_there in enumerate(taken) if is_there)
        for extreme in (0, 0x7FFF, 0x8000, 0xFFFF, None):
            words = [
                rng.randrange(0x10000) if extreme is None else extreme
                for _ in range(sum(s["words"] for s in used))
            ]
            payload = struct.pack(f">BHH{len(words)}H", 2, 4307, flags, *words)
            readings = decode_uplink(payload, 1, sheet)
            assert [r.output for r in readings] == [v["output"] for s in used for v in s["value"]]
            for r in readings:
                assert (r.number is None) == (r.status is not Status.OK)
                assert r.number is None or math.isfinite(r.number)
            for wrong in (payload + b"\0", payload + b"\0\0", payload[:-1]):
                with pytest.raises(Garbled):
                    decode_uplink(wrong, 1, sheet)


@pytest.mark.parametrize("model", MODELS)
def test_every_output_of_a_sheet_is_a_value_of_one_sensor(model: str) -> None:
    sheet = load_sheet(model)
    named = [value["output"] for sensor in sheet.frame["sensor"] for value in sensor["value"]]
    assert sorted(named) == sorted(sheet.outputs)


@pytest.mark.parametrize("model", MODELS)
def test_a_frame_on_another_port_is_garbled_for(model: str) -> None:
    with pytest.raises(Garbled, match="f_port"):
        decode_uplink(bytes.fromhex("0210d30000"), 2, load_sheet(model))


def test_co2_counts_only_while_the_status_word_of_its_sensor_is_0() -> None:
    words = "67bd618d1cedbd1081d981f4895b0bd80bb5{}959895390c25"
    good = decoded("dl-lp8p", "020578000f" + words.format("0000"))
    assert (good["co2_mole_fraction"].number, good["co2_status"].number) == (473, 0)
    bad = decoded("dl-lp8p", "020578000f" + words.format("0020"))
    assert bad["co2_mole_fraction"].status is Status.FAILURE
    assert bad["co2_mole_fraction_filtered"].number is None
    assert (bad["co2_status"].number, bad["co2_raw_infrared"].number) == (32, 38296)


def test_a_distance_of_no_valid_sample_is_no_number() -> None:
    given = decoded("dl-mbx", "02012f0001138700 00")
    assert given["distance"].status is Status.FAILURE
    assert given["valid_samples"].number == 0


def test_a_thermometer_that_was_not_read_is_no_85_degrees() -> None:
    assert decoded("dl-ds18", "02023d00018550")["temperature"].status is Status.FAILURE
    assert decoded("dl-ds18", "02023d0001854f")["temperature"].number == 84.9375


def test_there_is_no_albedo_at_night_and_no_frequency_without_time() -> None:
    night = decoded("dl-alb", "02528500017fff7ffe")
    assert night["albedo"].status is Status.INVALID
    assert night["incoming_radiation"].number == -0.1
    assert decoded("dl-kl66", "0203d400013bf600003bf6")["frequency"].status is Status.INVALID


def test_wind_below_nothing_and_a_direction_beyond_the_circle_are_a_status() -> None:
    given = decoded("dl-atm22", "0208c90001" + "7fff8e11" + "8014810880027fe888088004")
    assert given["wind_speed"].status is Status.UNDER_RANGE
    assert given["wind_direction"].status is Status.OVER_RANGE
    assert given["wind_gust"].number == 0.2
