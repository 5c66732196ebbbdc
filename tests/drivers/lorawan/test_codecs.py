"""What holds for every LoRaWAN model sheet, the next one included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.lorawan import codec_names, decode_uplink
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import load_sheet, model_names, parse_sheet
from edaphon_drivers.simulators import lorawan as simulated

MODELS = [name for name in model_names() if load_sheet(name).engine == "lorawan"]
N_FRAMES = 1000


def some_frames(model: str, n: int) -> list[simulated.Frame]:
    return list(simulated.frames(model, seed=20261122, n=n))


@pytest.mark.parametrize("model", MODELS)
def test_every_simulated_frame_comes_back_exactly(model: str) -> None:
    sheet = load_sheet(model)
    for frame in some_frames(model, N_FRAMES):
        readings = decode_uplink(frame.payload, frame.f_port, sheet)
        assert {r.output: r.number for r in readings} == frame.values
        assert len(readings) == len(frame.values)


@pytest.mark.parametrize("model", MODELS)
def test_a_reading_speaks_the_words_of_its_sheet(model: str) -> None:
    sheet = load_sheet(model)
    for frame in some_frames(model, 50):
        for r in decode_uplink(frame.payload, frame.f_port, sheet):
            output = sheet.outputs[r.output]
            assert (r.quantity, r.unit, r.origin) == (output.quantity, output.unit, output.origin)
            assert (r.number is None) == (r.status is not Status.OK)


@pytest.mark.parametrize("model", MODELS)
def test_every_output_of_a_sheet_can_come_out_of_a_frame(model: str) -> None:
    seen = {name for frame in some_frames(model, 200) for name in frame.values}
    assert seen == set(load_sheet(model).outputs)


@pytest.mark.parametrize("model", MODELS)
def test_a_frame_on_a_foreign_port_is_garbled(model: str) -> None:
    frame = some_frames(model, 1)[0]
    with pytest.raises(Garbled, match="f_port"):
        decode_uplink(frame.payload, 223, load_sheet(model))


@pytest.mark.parametrize("model", MODELS)
def test_mac_commands_alone_give_no_readings(model: str) -> None:
    assert decode_uplink(b"", 0, load_sheet(model)) == ()


@pytest.mark.parametrize("model", MODELS)
def test_a_frame_with_a_byte_too_many_is_garbled(model: str) -> None:
    for frame in some_frames(model, 50):
        with pytest.raises(Garbled):
            decode_uplink(frame.payload + b"\x00", frame.f_port, load_sheet(model))


@pytest.mark.parametrize("model", MODELS)
@given(data=st.binary(max_size=60), f_port=st.integers(0, 255))
def test_any_bytes_give_readings_or_a_fault(model: str, data: bytes, f_port: int) -> None:
    sheet = load_sheet(model)
    for port in {f_port, simulated.MODELS[model].f_port}:
        try:
            readings = decode_uplink(data, port, sheet)
        except Fault:
            continue
        assert {r.output for r in readings} <= set(sheet.outputs)


def test_a_sheet_without_a_known_codec_says_which_there_are() -> None:
    table = {"title": "x", "engine": "lorawan", "checked": "", "source": "", "output": []}
    with pytest.raises(LookupError, match=codec_names()[0]):
        decode_uplink(b"\x01", 1, parse_sheet("x", {**table, "frame": {"codec": "os"}}))
