"""`edaphon decode`: what a person holds of an instrument becomes numbers, or words that help."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from tests.own_sheets import OWN_SHEETS

from edaphon.commands import main
from edaphon.commands.line import escaped
from edaphon_drivers.checksums import crc_characters, with_crc
from edaphon_drivers.simulators.lorawan import chirpstack_v3, chirpstack_v4, helium, tts_v3

SCRATCHPAD = r"68 01 4b 46 7f ff 08 10 05 : crc=05 YES\n68 01 4b 46 7f ff 08 10 05 t=22500"
TMS4 = r"0;2026.03.07 12:00;4;4.25;5;6;1500;202;0\n"
TWO_READS = "jxct.jxbs-3001-npk"
TUYA = '{"battery":90,"soil_moisture":56,"temperature":18,"temperature_unit":"celsius"}'
TOA5 = (
    '"TOA5","s","CR1000","1","os","p","9","T1"\n"TIMESTAMP","RECORD","T_5_Avg"\n'
    '"TS","RN","Deg C"\n"","","Avg"\n"2026-03-07 12:00:00",1,4.25\n"2026-03-07 12:30:00",2,"NAN"\n'
)
CODEC = """function decodeUplink(input) {
  return { data: { soil: { t: ((input.bytes[0] << 8) | input.bytes[1]) / input.fPort } } };
}"""
EUI = "a84041b2c1d5e6f7"
OWN = """
[logger]
id = "l1"
[site]
id = "whs"
[storage]
folder = "FOLDER/storage"
[bus.bench]
kind = "serial"
port = "/dev/serial/by-id/x"
[broker.cs]
host = "localhost"
envelope = "chirpstack-v4"
topics = ["application/#"]
[broker.home]
host = "localhost"
envelope = "json"
topics = ["#"]

[[source]]
bus = "bench"
address = "1"
model = "acme.ph1"
interval = "10min"
[[source]]
name = "cr1000"
file = "/data/*.dat"
model = "plot.cr1000"
settings = { utc_offset = "+01:00", interval_s = 1800 }
[[source]]
broker = "home"
topic = "plot/node1"
[[source.field]]
name = "t"
path = "soil.0"
quantity = "soil_temperature"
unit = "degC"
[[source]]
broker = "cs"
dev_eui = "a84041b2c1d5e6f7"
codec_file = "FOLDER/codec.js"
[[source.field]]
name = "t"
path = "soil.t"
quantity = "soil_temperature"
unit = "degC"
"""


def decode(*words: str, code: int = 0) -> str:
    """What is printed; on stderr where it fails."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as end:
        main(["decode", *words])
    stated, complained = (stream.buffer.getvalue().decode() for stream in (out, err))
    assert (end.value.code or 0) == code, (stated, complained)
    return stated if code == 0 else complained


def rows(model: str, payload: str, *more: str) -> list[dict]:
    return json.loads(decode("--model", model, "--payload", payload, "--json", *more))


def values(model: str, payload: str, *more: str) -> dict:
    """The numbers as reported, by output."""
    found = [row for row in rows(model, payload, *more) if "factory" not in row]
    return {row["output"]: row["value"] for row in found}


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "codec.js").write_text(CODEC)
    (tmp_path / "edaphon.toml").write_text((OWN + OWN_SHEETS).replace("FOLDER", str(tmp_path)))
    return str(tmp_path / "edaphon.toml")


@pytest.mark.parametrize(
    ("model", "payload", "more", "wanted"),
    [
        ("meter.teros11", r"1+2400.5+21.0\r\n", (), {"water_content_counts": 2400.5}),
        ("generic.xy-md02", "01 04 04 01 31 02 22 2A CE", (), {"air_temperature": 30.5}),
        ("mettler-toledo.mt-sics", r"S S    100.00 g\r\n", (), {"mass": 100.0}),
        ("maxim.ds18b20", SCRATCHPAD, (), {"soil_temperature": 22.5}),
        ("sensirion.sht4x", "0xbeef92be 0xef92", (), {"air_temperature": 85.52300298}),
        ("tomst.tms-4", TMS4, (), {"soil_temperature": 4.25, "water_content_counts": 1500}),
        ("tuya.ts0601-soil", TUYA, (), {"soil_temperature": 18}),
        (
            "esphome.text",
            "21.5",
            ("--topic", "n/sensor/soil_moisture/state"),
            {"soil_moisture": 21.5},
        ),
        ("decentlab.dl-trs12", "0210d300020c80", (), {"battery_voltage": 3.2}),
        ("decentlab.dl-trs12", "AhDTAAIMgA==", (), {"battery_voltage": 3.2}),
    ],
)
def test_a_payload_of_every_engine_gives_its_numbers(model, payload, more, wanted):
    found = values(model, payload, *more)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_decode_gives_the_reported_numbers_and_those_of_the_factory_curves():
    found = rows("meter.teros12", r"1+2400.5+21.0+1\r\n")
    mineral = next(row for row in found if row.get("factory") == "mineral")
    assert mineral["quantity"] == "volumetric_water_content"
    assert mineral["value"] == pytest.approx(3.879e-4 * 2400.5 - 0.6956)


def test_a_person_reads_name_value_unit_and_own_time():
    stated = decode("--model", "milesight.em500-co2", "--payload", "20CE5036BA6467046827FB0075")
    assert "co2_mole_fraction" in stated
    assert "1127 ppm" in stated
    assert "25.1 degC" in stated
    assert stated.splitlines()[0].endswith("2023-07-21T07:40:00Z")


def test_what_of_a_frame_is_not_read_is_printed_behind_what_is():
    typed = ("--model", "milesight.em500-smtc", "--payload", "0175640367FA0007AA01")
    stated = decode(*typed)
    assert "25 degC" in stated
    assert stated.splitlines()[-1] == "not read: unknown channel 07 AA at byte 7: 3 bytes not read"
    (battery, warmth) = rows(*typed[1::2])
    assert (battery["value"], warmth["value"]) == (100, 25)


@pytest.mark.parametrize("port", ["0", "224", "255"])
def test_an_uplink_on_a_port_of_the_network_has_no_reading(port: str, own: str):
    for named in (["--model", "milesight.em500-smtc"], ["--source", f"cs/{EUI}", "--config", own]):
        assert "no reading" in decode(*named, "--payload", "017564", "--port", port)


def test_a_failure_of_the_instrument_is_printed_in_the_place_of_the_number():
    power_on = r"50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000"
    assert "FAILURE degC" in decode("--model", "maxim.ds18b20", "--payload", power_on)
    assert rows("maxim.ds18b20", power_on)[0]["status"] == "failure"


def test_a_log_of_an_sdi12_terminal_is_read_with_its_commands_and_announcements():
    log = r"0M!00013\r\n0\r\n0D0!0+0.25+1.5+21.3\r\n"
    assert values("campbell.cs655", log)["volumetric_water_content"] == 0.25


def test_the_answers_to_several_sdi12_commands_go_to_their_outputs():
    both = values("gropoint.profile-4", r"0+1+2+3+4\n0+11+12+13\n0+14+15+16+17\n")
    assert list(both.values()) == [1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 17]
    temperatures = values("gropoint.profile-4", "0+11+12+13+14+15+16+17")
    assert temperatures == {name: both[name] for name in list(both)[4:]}


def test_an_sdi12_crc_is_checked_and_the_error_shows_what_was_typed():
    line = b"0+2400+21.5"
    right = (line + crc_characters(line)).decode()
    assert values("meter.teros11", right) == {
        "water_content_counts": 2400,
        "soil_temperature": 21.5,
    }
    config_error = decode("--model", "meter.teros11", "--payload", r"0+2400+21.5Abc", code=1)
    assert "0+2400+21.5Abc" in config_error
    config_error = decode("--model", "meter.teros11", "--payload", "0+2400", code=1)
    assert config_error.startswith("meter.teros11: expected 2 values")
    assert "got 0+2400" in config_error
    assert "D0" not in config_error


def test_answers_of_two_sdi12_probes_are_not_mixed():
    assert "one probe" in decode("--model", "meter.teros11", "--payload", r"0+1\n1+2", code=1)


def test_a_modbus_answer_that_fits_two_reads_needs_its_request():
    frame = with_crc(bytes.fromhex("01 03 02 00 41"))
    config_error = decode("--model", TWO_READS, "--payload", frame.hex(), code=2)
    requests = re.findall(r"01 03(?: [0-9A-F]{2}){6}", config_error.partition("with this")[0])
    assert len(requests) == 2
    first, second = (values(TWO_READS, frame.hex(), "--request", r) for r in requests)
    assert len(first) == len(second) == 1
    assert first.keys() != second.keys()
    both = values(TWO_READS, (frame + frame).hex(" "))
    assert both == first | second


def test_a_modbus_answer_over_tcp_and_an_exception_are_understood():
    frame = "00 07 00 00 00 07 01 04 04 01 31 02 22"
    assert values("generic.xy-md02", frame)["air_temperature"] == 30.5
    refused = decode("--model", "generic.xy-md02", "--payload", "01 84 02 C2 C1", code=1)
    assert "illegal data address" in refused
    wrong = decode("--model", "generic.xy-md02", "--payload", "01 04 04 01 31 02 22 2A CF", code=1)
    assert "CRC" in wrong
    assert "got 01 04 04 01 31 02 22 2A CF" in wrong
    request = ("--request", "01 04 00 01 00 02")
    typed = ("--model", "generic.xy-md02", "--payload", frame)
    assert "--request" not in decode(*typed, *request, code=2)


def test_a_file_is_read_as_it_is_and_as_digits(tmp_path: Path):
    (tmp_path / "w1_slave").write_text(SCRATCHPAD.replace(r"\n", "\n") + "\n")
    assert values("maxim.ds18b20", f"@{tmp_path / 'w1_slave'}") == {"soil_temperature": 22.5}
    (tmp_path / "uplink").write_bytes(bytes.fromhex("0210d300020c80"))
    assert values("decentlab.dl-trs12", f"@{tmp_path / 'uplink'}") == {"battery_voltage": 3.2}
    (tmp_path / "uplink").write_text("0210d300020c80\n")
    assert values("decentlab.dl-trs12", f"@{tmp_path / 'uplink'}") == {"battery_voltage": 3.2}
    missing = ("--model", "maxim.ds18b20", "--payload", f"@{tmp_path / 'none'}")
    assert "No such file" in decode(*missing, code=2)


def test_a_sheet_of_the_owner_is_found_in_the_configuration(own: str):
    assert values("acme.ph1", r"64,19.5\r\n", "--config", own) == {"ph": 6.4, "t": 19.5}
    assert values("acme.ph1", "64,19.5", "--config", own) == {"ph": 6.4, "t": 19.5}
    assert "did you mean" in decode(
        "--model", "acme.ph2", "--payload", "x", "--config", own, code=2
    )


def test_a_source_is_decoded_with_its_settings_its_fields_or_its_codec(own: str, tmp_path: Path):
    def by_source(path: str, payload: str, *more: str) -> list[dict]:
        words = ("--source", path, "--payload", payload, "--config", own, "--json", *more)
        return json.loads(decode(*words))

    (tmp_path / "t1.dat").write_text(TOA5)
    found = by_source("file/cr1000", f"@{tmp_path / 't1.dat'}")
    assert [(row["value"], row["time"]) for row in found] == [
        (4.25, "2026-03-07T11:00:00Z"),
        (None, "2026-03-07T11:30:00Z"),
    ]
    assert by_source("home/plot/node1", '{"soil":[7.5]}')[0]["value"] == 7.5
    assert by_source(f"cs/{EUI}", "04D2", "--port", "100")[0]["value"] == 12.34


def test_a_sheet_of_the_owner_is_found_in_the_usual_file_and_the_error_says_where_it_looked(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    words = ("--model", "acme.ph1", "--payload", "64,19.5")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for module in ("service.check", "storage.paths"):
        places = (Path("edaphon.toml"), tmp_path / "none")
        monkeypatch.setattr(f"edaphon.{module}.USUAL_FILES", places)
    assert "there is no edaphon.toml or " in decode(*words, code=2)
    assert "in " + own in decode("--model", "acme.x", *words[2:], "--config", own, code=2)
    monkeypatch.chdir(tmp_path)
    assert values(*words[1::2]) == {"ph": 6.4, "t": 19.5}
    assert "in edaphon.toml)" in decode("--model", "acme.x", *words[2:], code=2)
    (tmp_path / "edaphon.toml").write_text("nonsense")
    assert "soil_temperature" in decode("--model", "maxim.ds18b20", "--payload", SCRATCHPAD)


def test_what_another_instrument_of_the_line_answered_is_no_sample_of_a_source(tmp_path: Path):
    file = tmp_path / "edaphon.toml"
    lines = [OWN.partition("[bus.bench]")[0].replace("FOLDER", str(tmp_path))]
    for bus, kind, address, model in (
        ("p", "sdi12", "2", "meter.teros11"),
        ("m", "serial", "5", "generic.xy-md02"),
    ):
        lines.append(f'[bus.{bus}]\nkind = "{kind}"\nport = "/dev/serial/by-id/{bus}"\n')
        lines.append(f'[[source]]\nbus = "{bus}"\naddress = "{address}"\nmodel = "{model}"\n')
        lines.append('interval = "1h"\n')
    file.write_text("".join(lines))

    def by_source(path: str, payload: str, code: int = 0) -> str:
        return decode("--source", path, "--payload", payload, "--config", str(file), code=code)

    other = by_source("p/2", "a+2400.5+21.0", code=1)
    assert "expected an answer of address 2, got one of address a" in other
    assert "21 degC" in by_source("p/2", r"?!2\r\n2M!20002\r\n2\r\n2D0!2+2400.5+21.0\r\n")
    assert values("meter.teros11", "a+2400.5+21.0")["soil_temperature"] == 21
    frames = [with_crc(bytes((unit,)) + bytes.fromhex("04 04 01 31 02 22")) for unit in (5, 6)]
    assert "30.5 degC" in by_source("m/5", frames[0].hex())
    assert "address 5, got one of address 6" in by_source("m/5", frames[1].hex(), code=1)
    assert values("generic.xy-md02", frames[1].hex())["air_temperature"] == 30.5


def test_bytes_are_taken_in_the_spelling_that_record_prints():
    frame = bytes.fromhex("01 04 04 01 31 02 22 2A CE")
    request = with_crc(bytes.fromhex("01 04 00 01 00 02"))
    for mark in ("", "< "):
        typed = mark + escaped(frame)
        assert values("generic.xy-md02", typed)["air_temperature"] == 30.5
    asked = ("--request", "> " + escaped(request))
    assert values("generic.xy-md02", escaped(frame), *asked)["air_temperature"] == 30.5


def test_lines_of_a_file_that_are_no_rows_are_shown_with_their_number_and_readings_kept(capsys):
    bad = TMS4 + r"1;2026.13.07 12:00;4;4.25;5;6;1500;202;0\n\n" + TMS4
    typed = ("--model", "tomst.tms-4", "--payload", bad)
    with pytest.raises(SystemExit) as left:
        main(["decode", *typed])
    shown, account = capsys.readouterr()
    assert left.value.code == 1
    assert shown.count("4.25 degC") == 2
    assert "line 2 refused: expected a day and a time of day that exist" in account
    assert "2026.13.07" in account
    assert "4 lines: 2 rows, 0 headers, 1 blank, 1 refused" in account
    with pytest.raises(SystemExit) as left:
        main(["decode", *typed, "--json"])
    assert left.value.code == 1
    assert len(json.loads(capsys.readouterr().out)) == 8


def test_a_file_without_one_row_shows_its_lines_up_to_a_number_of_them(capsys):
    with pytest.raises(SystemExit) as left:
        main(["decode", "--model", "tomst.tms-4", "--payload", r"x\n" * 30])
    shown, account = capsys.readouterr()
    assert (left.value.code, shown) == (1, "")
    assert account.count("line ") == 20
    assert "and 10 more lines refused" in account


def test_what_is_missing_is_shown_with_what_to_type(own: str):
    sourceless = ("--source", "file/cr100", "--payload", "x", "--config", own)
    assert "did you mean file/cr1000" in decode(*sourceless, code=2)
    assert "either --model or --source" in decode("--payload", "x", code=2)
    assert "--topic" in decode("--model", "esphome.text", "--payload", "21.5", code=2)
    zoneless = ("--model", "licor.li-850-file", "--payload", "2026-03-07\t12:00:00\t1")
    assert "--source" in decode(*zoneless, code=2)
    assert "zone" in decode(*zoneless, code=2)
    assert "got nothing" in decode("--model", "meter.teros12", "--payload", "", code=2)
    assert "hex, base64 or" in decode("--model", "milesight.am308", "--payload", "?!", code=2)
    assert "did you mean" in decode("--model", "meter.teros1", "--payload", "00", code=2)


def test_bytes_that_mean_nothing_are_shown_by_what_was_expected():
    typed = ("--model", "dragino.lse01-1.1.4", "--payload", "00", "--port", "2")
    assert "expected" in decode(*typed, code=1)
    assert "expected" in decode("--model", "tuya.ts0601-soil", "--payload", "[", code=1)


def test_a_message_without_a_reading_is_no_mistake():
    assert "no reading" in decode("--model", "tuya.ts0601-soil", "--payload", "online")


@pytest.mark.parametrize("end", [r"\r\n", "<CR><LF>", "\r\n"])
def test_a_line_may_end_as_a_manual_prints_it(end: str) -> None:
    assert values("vaisala.gmp252", f"CO2=  1702 ppm{end}") == {"co2": 1702.0}


LIGHT = "03670080046864"


@pytest.mark.parametrize(
    "payload",
    [
        "03 67 01 01 04 68 64",
        "0x03670101046864",
        "0x03, 0x67, 0x01, 0x01, 0x04, 0x68, 0x64",
        "{0x03,0x67,0x01,0x01,0x04,0x68,0x64}",
        "03:67:01:01:04:68:64",
        "03-67-01-01-04-68-64",
        "'03670101046864'",
        "[3, 103, 1, 1, 4, 104, 100]",
        r"\x03\x67\x01\x01\x04\x68\x64",
        "A2cBAQRoZA==",
    ],
)
def test_bytes_are_taken_as_people_paste_them(payload: str) -> None:
    found = values("milesight.em300-th", payload)
    assert found == {"air_temperature": 25.7, "relative_humidity": 50.0}
    assert values("milesight.em300-th", payload.replace("0x", "0X")) == found


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("0367010104686", "expected hex digits in pairs, got 13 digits"),
        ("0367O101046864", "expected hex digits, got 'O' as digit 5"),
        ("[3, 103, 300]", "expected hex digits in pairs, got 7 digits"),
        ("{}", "expected bytes, or an uplink as JSON of chirpstack-v3, chirpstack-v4"),
        ('{"a":1', "expected bytes, or an uplink as JSON"),
        ("{", "expected the bytes as hex, base64"),
    ],
)
def test_bytes_that_were_mistyped_are_answered_in_one_line(payload: str, words: str) -> None:
    config_error = decode("--model", "milesight.em300-th", "--payload", payload, code=2)
    assert words in config_error
    assert config_error.count("\n") == 1


def test_a_message_of_a_network_server_brings_bytes_and_port(tmp_path: Path):
    data = bytes.fromhex("0100FA029D")
    for envelope in (tts_v3, chirpstack_v4, chirpstack_v3, helium):
        message = envelope(EUI.upper(), data, 5, 7, 1_795_348_800_000_000_000)[1].decode()
        assert values("elsys.ers-elt", message)["air_temperature"] == 25.0
        assert "not 9" in decode(
            "--model", "elsys.ers-elt", "--payload", message, "--port", "9", code=1
        )
        (tmp_path / "message.json").write_text(message)
        assert values("elsys.ers-elt", f"@{tmp_path / 'message.json'}")["air_temperature"] == 25.0


def test_a_source_with_a_codec_takes_a_message_of_its_network_server(own: str):
    message = chirpstack_v4(EUI, bytes.fromhex("04D2"), 100, 7, 1_795_348_800_000_000_000)[1]
    words = ("--source", f"cs/{EUI}", "--payload", message.decode(), "--config", own)
    assert "12.34 degC" in decode(*words)


def test_a_port_is_asked_for_where_a_sheet_has_several():
    elsys = ("--model", "elsys.ers-elt", "--payload", "0100FA029D")
    assert "25 degC" in decode(*elsys, "--port", "5")
    assert "expected --port 1 or 5, got none" in decode(*elsys, code=2)
    assert "expected f_port 1 or 5, not 85" in decode(*elsys, "--port", "85", code=1)
    assert "expected --port from 0 to 255, got 256" in decode(*elsys, "--port", "256", code=2)
    dragino = ("--model", "dragino.lht65n", "--payload", "CBF60B0D0376010ADD7FFF")
    assert "expected --port 2 or 5, got none" in decode(*dragino, code=2)
    assert "degC" in decode(*dragino, "--port", "2")
    text = ("--model", "dragino.sdi12-lb", "--payload", "0CE501302B312E36302B32352E37")
    assert "expected --port 2 or 5 or 100, got none" in decode(*text, code=2)


def test_a_modbus_frame_stands_without_its_crc_and_none_with_a_wrong_one():
    assert values("generic.xy-md02", "01 04 04 01 31 02 22")["air_temperature"] == 30.5
    assert "illegal data address" in decode(
        "--model", "generic.xy-md02", "--payload", "01 84 02", code=1
    )
    decode("--model", "generic.xy-md02", "--payload", "01 04 04 01 31 02 22 2A CF", code=1)


@pytest.mark.parametrize(
    ("model", "payload", "more"),
    [
        ("milesight.em300-th", LIGHT, ()),
        ("generic.xy-md02", "0104048000ffffd3f4", ()),
        ("sensirion.sht4x", "ffffacffffac", ()),
        ("esphome.text", "-3276.8", ("--topic", "n/sensor/soil_temperature/state")),
        ("meter.teros11", r"1+9999+21.0\r\n", ()),  # its factory curve gives 3.2 m3/m3
        ("tomst.tms-4", TMS4.replace("4.25", "327.67"), ()),
    ],
)
def test_a_number_beyond_physics_is_impossible_in_every_engine(model, payload, more):
    refused = [row for row in rows(model, payload, *more) if row["status"] == "impossible"]
    assert refused
    for row in refused:
        assert row["value"] is None
        assert f"possible {row['quantity']}, " in row["impossible"]
    assert "IMPOSSIBLE" in decode("--model", model, "--payload", payload, *more)


def test_the_fields_of_an_owner_have_limits_of_physics_too(own: str):
    words = ("--config", own, "--json")
    fields = decode("--source", "home/plot/node1", "--payload", '{"soil":[6553.5]}', *words)
    codec = decode("--source", f"cs/{EUI}", "--payload", "FFFF", "--port", "1", *words)
    for found in (json.loads(fields), json.loads(codec)):
        assert (found[0]["value"], found[0]["status"]) == (None, "impossible")
