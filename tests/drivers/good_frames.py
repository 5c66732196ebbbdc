"""Good frames of every model sheet: from transcripts, from vectors, and made from the sheet itself.

What is made carries its protocol's own checks (CRC) and numbers that the sheet allows.
"""

import json
import math
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from unittest.mock import patch

import tests.conformance
from tests.conformance.devices import find_decoder
from tests.conformance.entries import read_entries
from tests.conformance.labels import (
    ascii_lines,
    file_rows,
    lorawan_makers,
    lorawan_uplinks,
    mqtt_messages,
)
from tests.ddi import crc6, read_ddi, sum_character
from tests.drivers.mutations import Decode, Sample, random_of
from tests.readers import decode_piece
from tests.simulated_files import SimulatedLogger, SimulatedRespirometer
from tests.transcript import read_transcript

from edaphon_drivers.ascii.engine import decode_stream
from edaphon_drivers.ascii.sheet import frame_of
from edaphon_drivers.checksums import crc8_sensirion, crc_characters
from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.modbus.frame import parse_request, registers_asked, rtu_frame, tcp_frame
from edaphon_drivers.modbus.table import Read, plan_of
from edaphon_drivers.readings import Piece, Reading, Turn, reported
from edaphon_drivers.registry import completed, engine
from edaphon_drivers.sdi12.parse import measurement, spelled
from edaphon_drivers.sheets import Command, Output, Sheet, load_sheet, model_names
from edaphon_drivers.simulators import lorawan as simulated
from edaphon_drivers.simulators.plugged import SimulatedThermometers
from edaphon_drivers.smart_home import decode_message

__all__ = ["ENGINES", "good_samples"]

ENGINES = ("sdi12", "modbus", "ascii", "lorawan", "message", "file", "w1", "i2c")
TRANSCRIPTS = Path(__file__).parent / "transcripts"
VECTORS = Path(tests.conformance.__path__[0]) / "vectors"
OWNER = {"utc_offset": "+00:00", "interval_s": 1800, "date_order": "dmy", "year": 2026}
FRAMES = 4  # of each kind, where they are made


@cache
def good_samples(name: str) -> tuple[Sample, ...]:
    """All good frames of an engine, each of which decodes into readings."""
    found = _FOUND[name]()
    merged: dict[tuple[str, str, object], Sample] = {}
    for slot, sample in found:
        key = (sample.family, sample.sheet.model, slot)
        known = merged.get(key)
        frames = tuple(dict.fromkeys((known.frames if known else ()) + sample.frames))
        merged[key] = (known or sample)._replace(frames=frames)
    return tuple(filter(None, map(_readable, merged.values())))


def sheets(name: str) -> list[Sheet]:
    known = [load_sheet(model) for model in model_names()]
    return [sheet for sheet in known if sheet.engine == name]


def _readable(sample: Sample) -> Sample | None:
    frames = tuple(frame for frame in sample.frames if frame and _reads(sample.decode, frame))
    return sample._replace(frames=frames) if frames else None


def _reads(decode: Decode, frame: bytes) -> bool:
    try:
        return bool(decode(frame))
    except Fault:
        return False


Found = Iterator[tuple[object, Sample]]


def _in_exchange(
    turns: Sequence[Turn], at: int, sheet: Sheet, data: bytes, incoming: bool = False
) -> tuple[Reading, ...]:
    """The readings of an exchange with other bytes in one turn."""
    reply = [*turns[:at], turns[at]._replace(data=data), *turns[at + 1 :]]
    decode = decode_stream if incoming else engine(sheet.engine).decode_exchange
    return decode(reply, sheet)


def _turns_of(turns: Sequence[Turn], family: Callable[[bytes], str], sheet: Sheet) -> Found:
    """A sample for each turn that was received; its slot is what had been sent before."""
    incoming = not turns[0].sent
    before = b""
    for at, turn in enumerate(turns):
        if turn.sent:
            before += turn.data
        elif turn.data:
            decode = partial(_in_exchange, turns, at, sheet, incoming=incoming)
            kind = family(turn.data)
            yield (before, at), Sample(sheet.engine, kind, sheet, (turn.data,), decode)
            for line in turn.data.splitlines(keepends=True) if incoming else ():
                alone = partial(_in_exchange, (turn,), 0, sheet, incoming=True)
                yield line, Sample(sheet.engine, family(line), sheet, (line,), alone)


def _transcribed(name: str, family: Callable[[Sheet, bytes], str]) -> Found:
    for path in sorted((TRANSCRIPTS / name).glob("*.txt")):
        sheet = load_sheet(path.stem.rpartition(".")[0])
        transcript = read_transcript(path.read_text("utf-8"))
        if transcript.expected:
            yield from _turns_of(transcript.turns, partial(family, sheet), sheet)


def _between(rng: random.Random, output: Output | None) -> float:
    """A number that the instrument may report."""
    low = output.lowest if output and output.lowest is not None else 0.0
    high = output.highest if output and output.highest is not None else max(100.0, 2 * abs(low))
    return rng.uniform(low, high)


# SDI-12 and DDI


def _sdi12() -> Found:
    yield from _transcribed("sdi12", _sdi12_family)
    rng = random_of("values")
    for sheet in sheets("sdi12"):
        for command in sheet.commands:
            for crc in {False, bool(sheet.frame.get("crc", True))}:
                for _ in range(FRAMES):
                    yield from _measured(sheet, command, crc, rng)
    yield from _ddi_lines(rng)


def _sdi12_family(sheet: Sheet, data: bytes, crc: bool | None = None) -> str:
    body = data.removesuffix(b"\r\n")
    has = len(body) > 4 and crc_characters(body[:-3]) == body[-3:] if crc is None else crc
    return "SDI-12 with CRC" if has else "SDI-12 without CRC"


def _measured(sheet: Sheet, command: Command, crc: bool, rng: random.Random) -> Found:
    """One measurement as a probe answers it."""
    asked = measurement(command.send)
    if asked is None or asked.letters == "HB":
        return
    kind = spelled(command.send, False, crc)
    crc = crc or asked.crc
    texts = [_printed(_between(rng, sheet.outputs.get(name))) for name in command.outputs]
    groups = _grouped(texts, 35 if asked.letters in "MR" else 75)
    lines = [b"7" + group for group in groups]
    answers = [line + (crc_characters(line) if crc else b"") + b"\r\n" for line in lines]
    if asked.letters == "R":
        turns = [Turn(0, True, f"7{kind}!".encode()), Turn(1, False, answers[0])]
    else:
        digits = {"C": 2, "H": 3}.get(asked.letters[0], 1)
        start = f"7000{len(texts):0{digits}d}\r\n".encode()
        turns = [Turn(0, True, f"7{kind}!".encode()), Turn(1, False, start)]
        for n, answer in enumerate(answers):
            turns += [Turn(2, True, f"7D{n}!".encode()), Turn(3, False, answer)]
    yield from _turns_of(turns, partial(_sdi12_family, sheet, crc=crc), sheet)


def _printed(number: float) -> bytes:
    whole = len(str(int(abs(number))))
    return f"{number:+.{max(0, min(2, 7 - whole))}f}".encode()


def _grouped(texts: Sequence[bytes], most: int) -> list[bytes]:
    groups = [b""]
    for text in texts:
        if len(groups[-1]) + len(text) > most:
            groups.append(b"")
        groups[-1] += text
    return groups


def _ddi_lines(rng: random.Random) -> Found:
    """What METER's probes send by themselves; the sheet's first command has their order."""
    for model in ("meter.teros11", "meter.teros12", "meter.teros21", "meter.gs3", "meter.5te"):
        sheet = load_sheet(model)
        decode = partial(_ddi_readings, sheet)
        for _ in range(FRAMES):
            outputs = [sheet.outputs[name] for name in sheet.commands[0].outputs]
            texts = [f"{_between(rng, output):.2f}" for output in outputs]
            body = f"\t{' '.join(texts)}\rk".encode()
            body += bytes((sum_character(body),))
            old, new = body + b"\r\n", body + bytes((crc6(body),))
            yield "old", Sample("sdi12", "DDI, checksum alone", sheet, (old,), decode)
            yield "new", Sample("sdi12", "DDI with CRC", sheet, (new,), decode)


def _ddi_readings(sheet: Sheet, data: bytes) -> tuple[Reading, ...]:
    values = read_ddi(data).values
    outputs = [sheet.outputs[name] for name in sheet.commands[0].outputs if name != "-"]
    if len(values) != len(outputs):
        raise Garbled(f"{len(outputs)} values", data)
    return tuple(map(reported, outputs, values))


# Modbus


def _modbus() -> Found:
    yield from _transcribed("modbus", lambda sheet, data: "Modbus RTU (CRC-16)")
    rng = random_of("registers")
    for sheet in sheets("modbus"):
        for read in plan_of(sheet).reads:
            if read.shape.size is None:
                continue
            for _ in range(FRAMES):
                yield from _answered(sheet, read, rng)


def _answered(sheet: Sheet, read: Read, rng: random.Random) -> Found:
    pdu = read.pdu[:1] + bytes((read.shape.size,)) + _registers(sheet, read, rng)
    for asked, reply, family in (
        (rtu_frame(7, read.pdu), rtu_frame(7, pdu), "Modbus RTU (CRC-16)"),
        (tcp_frame(9, 7, read.pdu), tcp_frame(9, 7, pdu), "Modbus TCP"),
    ):
        request = parse_request(asked)
        assert request is not None
        assert registers_asked(request.pdu) or read.address is None
        turns = [Turn(0, True, asked), Turn(1, False, reply)]
        yield from _turns_of(turns, lambda data, family=family: family, sheet)


def _registers(sheet: Sheet, read: Read, rng: random.Random) -> bytes:
    data = bytearray(read.shape.size or 0)
    if read.wait:
        data[:2] = read.wait.equals.to_bytes(2)
    for item in read.items:
        number = _between(rng, sheet.outputs[item.output]) * item.divide - item.plus
        raw = _raw(item.type, number / item.multiply)
        if item.byte_order == "little":
            raw = b"".join(raw[at : at + 2][::-1] for at in range(0, len(raw), 2))
        if item.word_order == "little":
            raw = b"".join(raw[at : at + 2] for at in range(len(raw) - 2, -1, -2))
        data[2 * item.at : 2 * item.at + len(raw)] = raw
    return bytes(data)


def _raw(kind: str, number: float) -> bytes:
    if kind[0] == "f":
        return struct.pack(">f" if kind == "f32" else ">d", number)
    bits = int(kind[1:])
    return (math.floor(number) & ((1 << bits) - 1)).to_bytes(bits // 8)


# Lines, files, messages


def _ascii() -> Found:
    yield from _transcribed("ascii", _line_family)
    spied = _spied(ascii_lines, "decode_stream"), _spied(ascii_lines, "decode_exchange")
    for turns, sheet in (call for calls in spied for call in calls):
        yield from _turns_of(turns, partial(_line_family, sheet), sheet)


_LINE_FAMILIES = {"nmea": "NMEA 0183 (XOR of 8 bits)", "li-78xx": "LI-78xx (sum of 8 bits)"}
_CS4 = "Vaisala CS4 (sum of 8 bits)"


def _line_family(sheet: Sheet, data: bytes) -> str:
    """By the checksum of the last line of the piece."""
    name = sheet.frame.get("checksum", "")
    if name:
        return _LINE_FAMILIES[name]
    text = (data.splitlines() or [b""])[-1].decode("latin-1").strip()
    kind = next((kind for kind in frame_of(sheet).kinds if kind.is_of(text)), None)
    if kind and kind.checksum:
        return _CS4
    return "XML of LI-8xx" if frame_of(sheet).root else "lines without a checksum"


def _file() -> Found:
    for piece, sheet in _spied(file_rows, "decode_piece"):
        yield from _piece(piece, sheet)
    yield from _heard_files()
    yield from _simulated_files()


def _piece(piece: Piece, sheet: Sheet) -> Found:
    family = "LI-78xx files (sum of 8 bits)" if sheet.frame["form"] == "heard" else "rows of files"
    if sheet.frame["form"] == "li8200":
        family = "JSON files"
    slot = (piece.header, str(sheet.frame))

    def of_data(data: bytes) -> tuple[Reading, ...]:
        return decode_piece(piece._replace(data=data), sheet)

    def of_header(header: bytes) -> tuple[Reading, ...]:
        return decode_piece(piece._replace(header=header), sheet)

    yield (*slot, "data"), Sample("file", family, sheet, (piece.data,), of_data)
    if piece.header:
        header = Sample("file", "headers of files", sheet, (piece.header,), of_header)
        yield (*slot, "header"), header


def _heard_files() -> Found:
    """The lines of an instrument, as its file keeps them."""
    for sheet in sheets("file"):
        for path in sorted((TRANSCRIPTS / "ascii").glob(f"{sheet.frame.get('like')}.*.txt")):
            transcript = read_transcript(path.read_text("utf-8"))
            if transcript.expected:
                data = b"".join(turn.data for turn in transcript.turns if not turn.sent)
                yield from _piece(Piece("a.data", 0, b"", data), sheet)


_EGM_5 = (
    b"Tag(M3),Date,Time,Plot_No,Rec_No,CO2,Pressure,Flow,H2O,Tsen,O2,Error,Aux_V,PAR,Tsoil,Tair,"
    b"Msoil\r\nStart\r\n"
    b"M5,03/06/15,09:32:15,1,0003,1094,1004.2,327,0.0,00.0,20.41,00,0.000,0,23.4,0,0,1,76,89.56,"
    b"7.231,480\r\n"
)


def _simulated_files() -> Found:
    noon = datetime(2026, 3, 7, 12)  # noqa: DTZ001  local text
    with TemporaryDirectory() as folder:
        fields = [("BattV_Min", "Volts", "Min"), ("PTemp_C_Avg", "Deg C", "Avg")]
        half_hour = timedelta(minutes=30)
        logger = SimulatedLogger(Path(folder) / "a.dat", fields, noon, half_hour)
        meter = SimulatedRespirometer(Path(folder) / "a.81x", noon)
        for n in range(4):
            logger.step([12.5 + n, 21.25])
            meter.observe(1, [400 + n, 401.5, 402.25, 404], 0.96)
        table, flux = logger.path.read_bytes(), meter.path.read_bytes()
    for model, data in (
        ("campbell.toa5", table),
        ("licor.li-8100a", flux),
        ("licor.li-8200-01s", _repetition()),
        ("tomst.tms-4", b"0;2020.10.08 12:15;4;11.5;12.0625;9.75;1148;202;0;\r\n" * 2),
        ("tomst.thermologger", b"0;2020.10.08 12:15;4;11.5;-200;-200;65336;202;0;\r\n" * 2),
        ("tomst.dendrometer", b"0;2020.10.08 12:15;4;11.5;-200;-200;7890;202;0;\r\n" * 2),
        ("ppsystems.egm-5-file", _EGM_5),
    ):
        yield from _piece(Piece("a", 0, b"", data), completed(load_sheet(model), OWNER))


def _repetition() -> bytes:
    header = {"Date": "2026-06-13 08:15:03", "TimeZone": "America/New_York"}
    header["gps_time"] = 1781352901
    data = {"timestamp": [0, 1], "co2": [522.5, 520.4], "soil_t": [11.5, 12.5], "err": [0, 0]}
    footer = {"fluxes": [{"name": "co2", "F_o": 6.6457, "n": 54}]}
    repetition = {"header": header, "data": data, "footer": footer}
    return json.dumps({"datasets": [{"47": {"reps": {"REP_1": repetition}}}]}).encode()


def _message() -> Found:
    for topic, data, sheet in _spied(mqtt_messages, "decode_message"):
        text = sheet.frame.get("form") == "text"
        family = "numbers as text" if text else "JSON messages"
        decode = partial(_of_message, topic, sheet)
        yield topic, Sample("message", family, sheet, (data,), decode)


def _of_message(topic: str, sheet: Sheet, data: bytes) -> tuple[Reading, ...]:
    return decode_message(topic, data, sheet)


# LoRaWAN


def _lorawan() -> Found:
    for sheet in sheets("lorawan"):
        if sheet.model in simulated.SIMULATED:
            for frame in simulated.frames(sheet.model, seed=20261122, n=FRAMES):
                yield from _uplink(frame.payload, frame.f_port, sheet)
    for model, f_port, payload in _BY_HAND:
        yield from _uplink(bytes.fromhex(payload), f_port, load_sheet(model))
    for module in (lorawan_makers, lorawan_uplinks):
        for data, f_port, sheet in _spied(module, "decode_uplink"):
            yield from _uplink(data, f_port, sheet)


# Of sheets that are neither simulated nor in a vector; from the tests that name their sources.
_BY_HAND = (
    ("cayenne.lpp", 1, "0167ffd7067104d2fb2e0000"),
    ("cayenne.lpp", 1, "03670110056700ff"),
    ("dragino.d23-lb", 2, "0ce2ffce00000c7fff00fa"),
    ("dragino.s31-lb", 2, "0ce261c06a0000ffce01f4"),
    ("dragino.sdi12-lb-teros12", 2, "0ce501" + b"1+1807.82+21.3+1".hex()),
    ("dragino.se02-lb", 2, "0ce200f107a5ff7e00c800640105ffff10"),
    ("dragino.sph01-lb", 2, "0d2300000254fff7000001"),
    ("sensecap.s2120", 3, "04640101 0103000a05a0 01011043000000000000 0002011a000000002702"),
)


def _uplink(data: bytes, f_port: int, sheet: Sheet) -> Found:
    codec = sheet.frame["codec"]
    family = "SenseCAP S210x (CRC-16)" if codec == "sensecap" else f"LoRaWAN, codec {codec}"
    decode = partial(_of_uplink, f_port, sheet)
    yield f_port, Sample("lorawan", family, sheet, (data,), decode)


def _of_uplink(f_port: int, sheet: Sheet, data: bytes) -> tuple[Reading, ...]:
    return decode_uplink(data, f_port, sheet)


# 1-wire and I2C


def _w1() -> Found:
    yield from _transcribed("w1", lambda sheet, data: _W1)
    for model, rom in (("maxim.ds18b20", "28-0316a2795cff"), ("maxim.ds18s20", "10-000802b5a1f0")):
        sheet = load_sheet(model)
        with TemporaryDirectory() as folder:
            for celsius in (-10.125, 0.0, 21.4375, 12.5):
                SimulatedThermometers(Path(folder)).show(rom, celsius)
                data = (Path(folder) / rom / "w1_slave").read_bytes()
                turns = [Turn(0, True, f"{rom}\n".encode()), Turn(1, False, data)]
                yield from _turns_of(turns, lambda data: _W1, sheet)


_W1 = "w1_slave of the kernel (CRC-8, given twice)"
_I2C = "words of I2C (CRC-8 each)"


def _i2c() -> Found:
    yield from _transcribed("i2c", lambda sheet, data: _I2C)
    rng = random_of("words")
    for sheet in sheets("i2c"):
        command = bytes.fromhex(sheet.frame["read"]["command"])
        for _ in range(FRAMES):
            pairs = [rng.randrange(500, 60000).to_bytes(2) for _ in sheet.frame["read"]["word"]]
            data = b"".join(pair + bytes((crc8_sensirion(pair),)) for pair in pairs)
            turns = [Turn(0, True, b"\x62\x00" + command), Turn(1, False, data)]
            yield from _turns_of(turns, lambda data: _I2C, sheet)


def _spied(module: ModuleType, name: str) -> list[tuple]:
    """What the labels of the vectors hand to that decoder."""
    calls: list[tuple] = []
    decode = getattr(module, name)

    def spy(*words: object) -> tuple[Reading, ...]:
        calls.append(words)
        return decode(*words)

    with patch.object(module, name, spy):
        for entry in _entries():
            decoder = find_decoder(entry["device"])
            if decoder and "expect_error" not in entry:
                try:
                    decoder(entry)
                except (Fault, KeyError):
                    continue
    return calls


@cache
def _entries() -> tuple:
    return tuple(entry for _, entry in read_entries(VECTORS))


_FOUND: dict[str, Callable[[], Found]] = {
    "sdi12": _sdi12,
    "modbus": _modbus,
    "ascii": _ascii,
    "lorawan": _lorawan,
    "message": _message,
    "file": _file,
    "w1": _w1,
    "i2c": _i2c,
}
