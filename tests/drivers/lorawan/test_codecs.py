"""What holds for every LoRaWAN model sheet, the next one included."""

import math
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import tests.conformance
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.devices import find_decoder
from tests.conformance.entries import read_entries

from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.lorawan import codec_names, decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import Sheet, load_sheet, model_names, parse_sheet
from edaphon_drivers.simulators import lorawan as simulated

SHEETS = [load_sheet(name) for name in model_names() if load_sheet(name).engine == "lorawan"]
MODELS = [sheet.model for sheet in SHEETS if sheet.model in simulated.SIMULATED]
CONFORMANCE = Path(tests.conformance.__path__[0])
# What devices send on: 1 Decentlab, 2 and 5 Dragino, 10 Tektelic, 85 Milesight.
PORTS = (1, 2, 3, 5, 10, 85)


def some_frames(model: str, n: int) -> list[simulated.SimulatedFrame]:
    return list(simulated.frames(model, seed=20261122, n=n))


@pytest.mark.parametrize("model", MODELS)
def test_every_simulated_frame_comes_back_exactly(model: str) -> None:
    sheet = load_sheet(model)
    for frame in some_frames(model, 200):
        readings = decode_uplink(frame.payload, frame.f_port, sheet)
        assert [r.output for r in readings] == list(frame.values)
        for r in readings:
            assert same(r.number, frame.values[r.output]), (r, frame)


def same(one: float | None, other: float | None) -> bool:
    """What the simulator scales in another order may differ in the last bits."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-10)


def label_modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.iter_modules([str(CONFORMANCE / "labels")])]
    return [import_module(f"tests.conformance.labels.{name}") for name in names]


def models_named_elsewhere() -> set[str]:
    """Models that another test of this folder names."""
    others = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    text = "".join(path.read_text("utf-8") for path in others)
    names = {sheet.model: sheet.model.partition(".")[2] for sheet in SHEETS}
    return {model for model, name in names.items() if f'{name}"' in text}


def test_every_model_is_simulated_has_a_published_uplink_or_a_test_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = {*MODELS, *models_named_elsewhere()}

    def spy(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        seen.add(sheet.model)
        return decode_uplink(data, f_port, sheet)

    for module in label_modules():
        if hasattr(module, "decode_uplink"):
            monkeypatch.setattr(module, "decode_uplink", spy)
    for _, entry in read_entries(CONFORMANCE / "vectors"):
        if entry["transport"] == "lorawan" and "expect_error" not in entry:
            decode = find_decoder(entry["device"])
            assert decode is not None
            decode(entry)
    assert {sheet.model for sheet in SHEETS} - seen == set()


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


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.model)
def test_mac_commands_alone_give_no_readings(sheet: Sheet) -> None:
    assert decode_uplink(b"", 0, sheet) == ()


@pytest.mark.parametrize("model", MODELS)
def test_a_frame_with_a_byte_too_many_is_garbled(model: str) -> None:
    for frame in some_frames(model, 50):
        with pytest.raises(Garbled):
            decode_uplink(frame.payload + b"\x00", frame.f_port, load_sheet(model))


@settings(max_examples=60)
@given(data=st.binary(max_size=60), f_port=st.integers(0, 255))
def test_any_bytes_give_readings_or_a_fault(data: bytes, f_port: int) -> None:
    for sheet in SHEETS:
        for port in {f_port, *PORTS}:
            try:
                readings = decode_uplink(data, port, sheet)
            except Fault:
                continue
            assert {r.output for r in readings} <= set(sheet.outputs), sheet.model


def test_a_sheet_without_a_known_codec_says_which_there_are() -> None:
    table = {"title": "x", "engine": "lorawan", "checked": "", "source": "", "output": []}
    with pytest.raises(LookupError, match=codec_names()[0]):
        decode_uplink(b"\x01", 1, parse_sheet("x", {**table, "frame": {"codec": "os"}}))
