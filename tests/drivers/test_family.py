"""What holds for the driver of every model sheet: silence, noise and spoilt frames harm nothing."""

import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from tests.drivers.good_frames import ENGINES, good_samples
from tests.drivers.mutations import MUTATIONS, Sample, complaints, mutated, random_of

from edaphon_calibration.nomenclature import quantity
from edaphon_calibration.units import conversion
from edaphon_drivers.ascii.engine import decode_stream
from edaphon_drivers.checksums import with_crc
from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.lorawan import envelope_kinds, read_envelope
from edaphon_drivers.readings import Status, Turn
from edaphon_drivers.registry import ASKED_ON, PUSHED, engine
from edaphon_drivers.sheets import load_sheet, model_names
from edaphon_drivers.simulators import lorawan
from edaphon_drivers.simulators import lorawan as mqtt_messages

MODELS = model_names()
FRAMES = 48  # spoilt ones of each sheet; by the ten thousand: tests/stories/test_faults_frames.py
LONG = 20_000  # bytes; no instrument says more at once


def samples_of(model: str) -> list[Sample]:
    return [s for s in good_samples(load_sheet(model).engine) if s.sheet.model == model]


def harm(sample: Sample, data: bytes) -> Iterator[str]:
    """What the decoder did that no decoder may do; anything but a Fault comes through."""
    try:
        readings = sample.decode(data)
    except Fault:
        return
    yield from complaints(readings, sample.sheet)


def test_every_engine_of_a_sheet_is_tried_here() -> None:
    assert {load_sheet(model).engine for model in MODELS} <= set(ENGINES)
    assert set(ASKED_ON) | set(PUSHED) == set(ENGINES)


@pytest.mark.parametrize("model", MODELS)
def test_the_good_frames_of_a_sheet_give_its_own_outputs(model: str) -> None:
    samples = samples_of(model)
    assert samples, "no good frame in a transcript, in a vector or by hand"
    for sample in samples:
        for frame in sample.frames:
            assert list(complaints(sample.decode(frame), sample.sheet)) == []


@pytest.mark.parametrize("model", MODELS)
def test_the_units_of_a_sheet_are_convertible_and_its_names_known(model: str) -> None:
    for sample in samples_of(model)[:1]:
        for r in sample.decode(sample.frames[0]):
            conversion(r.unit, quantity(r.quantity).unit)


@pytest.mark.parametrize("model", MODELS)
def test_silence_and_noise_give_a_fault_or_nothing(model: str) -> None:
    rng = random_of(f"noise {model}")
    for sample in samples_of(model)[:3]:
        sizes = (0, 1, 2, 7, len(sample.frames[0]), 64, 300)
        for data in [rng.randbytes(size) for size in sizes]:
            assert list(harm(sample, data)) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_frame_cut_short_anywhere_harms_nothing(model: str) -> None:
    for sample in samples_of(model)[:2]:
        frame = sample.frames[0]
        for at in range(0, len(frame), max(1, len(frame) // 40)):
            assert list(harm(sample, frame[:at])) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_spoilt_frame_harms_nothing(model: str) -> None:
    rng = random_of(model)
    samples = samples_of(model)
    for n in range(FRAMES):
        sample = samples[n % len(samples)]
        data, other = rng.choice(sample.frames), rng.choice(sample.frames)
        assert list(harm(sample, mutated(rng, data, other)[1])) == []


@pytest.mark.parametrize("name", ENGINES)
def test_a_decoder_comes_to_an_end_with_a_flood(name: str) -> None:
    """The time-out of this test is the only clock: a search that runs wild would meet it."""
    rng = random_of(name)
    for sample in one_of_each_family(name):
        frame = sample.frames[0]
        begin, end = frame[: len(frame) // 2], frame[-2:]
        for data in (
            (frame * LONG)[:LONG],
            begin + frame[-1:] * LONG,
            begin + b"0" * LONG + end,
            begin + b" " * LONG + end,
            begin + b"9." * LONG + end,
            begin + rng.randbytes(LONG) + end,
        ):
            assert list(harm(sample, data)) == []


@cache
def one_of_each_family(name: str) -> list[Sample]:
    kinds: dict[object, Sample] = {}
    for sample in good_samples(name):
        kinds.setdefault((sample.family, sample.sheet.frame.get("form")), sample)
    return list(kinds.values())


@pytest.mark.parametrize("name", ASKED_ON)
def test_any_turns_tell_who_answered_or_nothing(name: str) -> None:
    rng = random_of(f"identity {name}")
    shown = engine(name).decode_identity
    for sample in good_samples(name)[:: max(1, len(good_samples(name)) // 60)]:
        for data in (b"", rng.randbytes(20), mutated(rng, sample.frames[0], b"x")[1]):
            for sent in (b"7I!", b"\x07\x2b\x0e\x01\x00", b"?\r", data):
                identity = shown([Turn(0, True, sent), Turn(1, False, data)], sample.sheet)
                assert identity is None or all(isinstance(s, str) for s in identity.settings)


ENVELOPES = {
    "tts-v3": lorawan.tts_v3,
    "chirpstack-v4": lorawan.chirpstack_v4,
    "chirpstack-v3": mqtt_messages.chirpstack_v3,
    "helium": mqtt_messages.helium,
}


@pytest.mark.parametrize("kind", envelope_kinds())
def test_a_spoilt_envelope_gives_an_uplink_nothing_or_a_fault(kind: str) -> None:
    rng, payload = random_of(kind), bytes.fromhex("01756403671001")
    first, second = (
        ENVELOPES[kind]("24E124126A147301", payload, 85, n, 1_795_348_800_000_000_000 + n)
        for n in (7, 70_000)
    )
    given = 0
    for n in range(1500):
        data = first[1] if n % 2 else second[1]
        try:
            uplink = read_envelope(kind, first[0], mutated(rng, data, first[1])[1])
        except Fault:
            continue
        given += uplink is not None
        assert uplink is None or re.fullmatch("[0-9a-f]{16}", uplink.dev_eui)
    assert given > 0


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_spoiler_spoils(mutation: Callable[..., bytes]) -> None:
    rng, data = random_of("spoilers"), bytes(range(40))
    spoilt = [mutation(rng, data, data[::-1]) for _ in range(50)]
    assert sum(made != data for made in spoilt) > 45
    assert len(set(spoilt)) > 20


def test_a_number_whose_state_was_not_learnt_is_not_given() -> None:
    """GMP252: the state says "warming up" next to a number that looks right."""
    sheet = load_sheet("vaisala.gmp252-modbus")
    asked = [with_crc(bytes.fromhex(pdu)) for pdu in ("f00308000002", "f00300000002")]
    number = with_crc(bytes.fromhex("f00304000043d2"))
    state = with_crc(bytes.fromhex("f00304") + bytes(4))

    def answer(first: bytes) -> tuple:
        turns = [Turn(0, True, asked[0]), Turn(1, False, first)]
        return engine("modbus").decode_exchange(
            [*turns, Turn(2, True, asked[1]), Turn(3, False, number)], sheet
        )

    assert [(r.number, r.status) for r in answer(state)] == [(420.0, Status.OK)]
    with pytest.raises(Garbled):
        answer(state[:-1] + b"\x00")
    alone = [Turn(0, True, asked[1]), Turn(1, False, number)]
    assert len(engine("modbus").decode_exchange(alone, sheet)) == 1


def test_a_damaged_header_shifts_no_column() -> None:
    """A header has no checksum: one TAB less and one more give as many names as values."""
    sheet = load_sheet("licor.li-7810")
    sample = next(s for s in samples_of("licor.li-7810") if s.frames[0].startswith(b"DATA\t"))
    line = sample.frames[0]
    names = "\t".join(sheet.frame["columns"])
    right = decode_stream([Turn(0, False, names.encode() + b"\n" + line)], sheet)
    for damaged in (
        names.replace("SECONDS\tNANO", "SECONDS0NANO").replace("INPUT", "I\tPUT"),
        names.replace("NANOSEC", "SEC"),
        names.replace("NANOSECONDS", "NAN\x13SECONDS"),
    ):
        assert decode_stream([Turn(0, False, damaged.encode() + b"\n" + line)], sheet) == right


def test_a_summary_line_that_cannot_be_parted_harms_no_other_row() -> None:
    """LI-8100: a quote and a CR within a line of type 3 are no CSV."""
    found = [s for s in samples_of("licor.li-8100a") if b"\n3\t" in s.frames[0]]
    for sample in found:
        frame = sample.frames[0]
        rows = len(sample.decode(frame))
        spoilt = frame.replace(b"\n3\t", b'\n3\t\r"', 1)
        assert list(harm(sample, spoilt)) == []
        assert 0 < len(sample.decode(spoilt)) <= rows
    assert found
