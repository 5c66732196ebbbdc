"""Messages of smart-home firmware give numbers in the sheet's unit, or the reason for none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import sent_messages as simulated

from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import load_sheet, model_names, parse_sheet
from edaphon_drivers.smart_home import decode_message, sheet_errors

MODELS = [m for m in model_names() if load_sheet(m).engine == "message"]
# home-assistant/core issue 98699
BALCONY = (
    b'{"Time":"2023-08-20T11:09:47","DS18B20":{"Id":"3CE10457A8F9","Temperature":27.9},'
    b'"BME280":{"Temperature":27.8,"Humidity":54.5,"DewPoint":17.8,"Pressure":1018.0},'
    b'"BH1750":{"Illuminance":171},"PressureUnit":"hPa","TempUnit":"C"}'
)
# Koenkk/zigbee2mqtt issue 21785
TUYA = (
    b'{"battery":90,"battery_state":"high","last_seen":"2024-03-13T13:06:51.665Z",'
    b'"linkquality":83,"soil_moisture":56,"temperature":0,"temperature_unit":"celsius"}'
)


def numbers(model, topic, data):
    return {r.output: r.number for r in decode_message(topic, data, load_sheet(model))}


def owned(frame, *outputs):
    rows = [{"name": n, "quantity": "soil_temperature", "unit": u} for n, u in outputs]
    table = {"title": "t", "engine": "message", "checked": "unverified", "source": "mine"}
    return parse_sheet("mine", {**table, "frame": frame, "output": rows})


def test_a_real_message_of_tasmota_gives_each_sensor_to_its_sheet():
    topic = "tele/Wetterstation2023/SENSOR"
    assert numbers("tasmota.ds18b20", topic, BALCONY) == {"soil_temperature": 27.9}
    assert numbers("tasmota.bme280", topic, BALCONY) == {
        "air_temperature": 27.8,
        "relative_humidity": 54.5,
        "air_pressure": 1018.0,
    }


def test_a_real_message_of_an_sht3x_names_its_bus_address():
    # TasmoAdmin issue 83
    data = (
        b'{"Time":"2018-03-21T12:13:29","SHT3X-0x45":{"Temperature":23.6,"Humidity":44.4},'
        b'"TempUnit":"C"}'
    )
    assert numbers("tasmota.sht3x", "tele/x/SENSOR", data) == {
        "air_temperature_0x45": 23.6,
        "relative_humidity_0x45": 44.4,
    }


def test_a_real_message_of_zigbee2mqtt_has_its_own_time():
    readings = decode_message("zigbee2mqtt/bed", TUYA, load_sheet("tuya.ts0601-soil"))
    assert {(r.output, r.number, r.unit) for r in readings} == {
        ("soil_moisture", 56.0, "%"),
        ("soil_temperature", 0.0, "degC"),
        ("battery_level", 90.0, "%"),
    }
    assert {r.time_ns for r in readings} == {1_710_335_211_665_000_000}


@pytest.mark.parametrize(
    ("member", "output", "number"),
    [
        (b'"tempc":32,"tempf":89.6', "air_temperature", 32.0),
        (b'"moi":30', "soil_moisture", 30.0),
        (b'"fer":0', "bulk_electrical_conductivity", 0.0),
        (b'"lux":9971', "illuminance", 9971.0),
    ],
)
def test_a_flower_care_sends_one_number_at_a_time(member, output, number):
    data = (
        b'{"brand":"Xiaomi/VegTrug","model":"MiFlora","model_id":"HHCCJCY01HHCC",' + member + b"}"
    )
    topic = "home/OpenMQTTGateway/BTtoMQTT/C47C8D66D5AA"
    assert numbers("hhcc.hhccjcy01-theengs", topic, data) == {output: number}


@pytest.mark.parametrize("unit", ["F", "K", ""])
def test_another_unit_than_the_sheets_makes_a_number_invalid_and_is_never_converted(unit):
    message = simulated.tasmota("bed", {"DS18B20": {"Id": "01", "Temperature": 69.1}}, unit)
    (reading,) = decode_message(*message, load_sheet("tasmota.ds18b20"))
    assert (reading.number, reading.status) == (None, Status.INVALID)


def test_a_sheet_that_offers_both_units_gives_the_one_that_was_sent():
    sheet = owned(
        {
            "path": {"c": "S.T", "f": "S.T"},
            "unit": {
                "c": {"path": "TempUnit", "word": "C"},
                "f": {"path": "TempUnit", "word": "F"},
            },
        },
        ("c", "degC"),
        ("f", "degF"),
    )
    for unit, name in (("C", "c"), ("F", "f")):
        message = simulated.tasmota("bed", {"S": {"T": 50.5}}, unit)
        (reading,) = decode_message(*message, sheet)
        assert (reading.output, reading.number) == (name, 50.5)


def test_a_unit_that_need_not_be_said_may_be_absent_but_not_wrong():
    sheet = load_sheet("tuya.ts0601-soil")
    for answer, number in (({}, 11.0), ({"temperature_unit": "fahrenheit"}, None)):
        message = simulated.zigbee2mqtt("bed", {"temperature": 11, **answer})
        assert [r.number for r in decode_message(*message, sheet)] == [number]


def test_a_sensor_is_found_by_its_own_number_wherever_it_stands():
    sheet = owned(
        {"path": {"deep": "Temperature"}, "member": {"deep": {"Id": "B"}}}, ("deep", "degC")
    )
    for names in (("DS18B20-1", "DS18B20-2"), ("DS18B20-2", "DS18B20-1")):
        ids = [{"Id": "A", "Temperature": 1.5}, {"Id": "B", "Temperature": 7.5}]
        message = simulated.tasmota("bed", dict(zip(names, ids, strict=True)), "C")
        assert [r.number for r in decode_message(*message, sheet)] == [7.5]
    assert decode_message(*simulated.tasmota("bed", {"DS18B20": {"Id": "A"}}, "C"), sheet) == ()


@pytest.mark.parametrize("code", [85, -127])
def test_a_failure_of_the_sensor_behind_the_firmware_is_a_status(code):
    message = simulated.tasmota("bed", {"DS18B20-3": {"Id": "01", "Temperature": code}}, "C")
    (reading,) = decode_message(*message, load_sheet("tasmota.ds18b20"))
    assert (reading.output, reading.number) == ("soil_temperature_3", None)
    assert reading.status is Status.FAILURE


def test_a_local_time_needs_an_offset_from_its_owner():
    frame = {"path": {"t": "S.T"}, "time": {"path": "Time"}}
    message = simulated.tasmota("bed", {"S": {"T": 1}}, "C")
    (untimed,) = decode_message(*message, owned(frame, ("t", "degC")))
    (timed,) = decode_message(*message, owned({**frame, "utc_offset": "+01:00"}, ("t", "degC")))
    assert untimed.time_ns is None
    assert timed.time_ns == 1_795_329_000_000_000_000


@pytest.mark.parametrize(
    ("answer", "number", "status"),
    [
        (b"21.4", 21.4, Status.OK),
        (b" -3\n", -3.0, Status.OK),
        (b"1e-2", 0.01, Status.OK),
        (b"nan", None, Status.INVALID),
        (b"NaN", None, Status.INVALID),
        (b"unknown", None, Status.INVALID),
        (b"unavailable", None, Status.NOT_CONNECTED),
        (b"21.4\0", 21.4, Status.OK),
        (b"\xef\xbb\xbf21.4\r\n\0", 21.4, Status.OK),
    ],
)
def test_a_text_is_a_number_or_a_word_for_none(answer, number, status):
    topic = "bed/sensor/soil_temperature/state"
    (reading,) = decode_message(topic, answer, load_sheet("esphome.text"))
    assert (reading.number, reading.status) == (number, status)


@pytest.mark.parametrize(
    "answer", [b"21,4", b"21.4 C", b"warm", b"0x10", b"1_0", b"\xff", b"1" * 65, b"1e999", b"\0"]
)
def test_a_text_that_is_no_number_is_garbled(answer):
    with pytest.raises(Garbled):
        decode_message("bed/sensor/soil_temperature/state", answer, load_sheet("esphome.text"))


def test_the_node_of_esphome_says_nan_where_a_sensor_failed():
    good, bad = (simulated.esphome("bed", "battery_voltage", n, 2) for n in (3.61, None))
    sheet = load_sheet("esphome.text")
    assert [r.number for m in (good, bad) for r in decode_message(*m, sheet)] == [3.61, None]


def test_a_topic_is_matched_by_whole_levels_only():
    sheet = load_sheet("esphome.text")
    for topic in ("bed/xsensor/soil_temperature/state", "sensor/other/state", ""):
        assert decode_message(topic, b"21.4", sheet) == ()
    assert len(decode_message("sensor/soil_temperature/state", b"21.4", sheet)) == 1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("tele/bed/LWT", b"Online"),
        ("tele/bed/SENSOR", b"Offline"),
        ("bed/status", b"online"),
        ("bed/availability", b"dead"),
        ("zigbee2mqtt/bed/availability", b'{"state":"offline"}'),
        ("zigbee2mqtt/SENSOR", b'{"state":"offline"}'),
        ("bed/sensor/soil_temperature/state", b""),
    ],
)
def test_who_is_online_is_no_reading(model, topic, data):
    assert decode_message(topic, data, load_sheet(model)) == ()


def test_numbers_on_a_topic_called_status_are_read():
    data = b'{"temperature":11}'
    assert numbers("tuya.ts0601-soil", "bed/status", data) == {"soil_temperature": 11.0}
    sheet = owned({"form": "text", "topics": {"t": "bed/status"}}, ("t", "degC"))
    assert [r.number for r in decode_message("bed/status", b"4.5", sheet)] == [4.5]


@pytest.mark.parametrize("model", MODELS)
def test_the_sheets_have_no_troubles_and_their_paths_are_read(model):
    sheet = load_sheet(model)
    assert list(sheet_errors(sheet)) == []
    if sheet.frame.get("form") == "text":
        got = {n: decode_message(t, b"3", sheet) for n, t in sheet.frame["topics"].items()}
        assert all(rows[0].output == name for name, rows in got.items())
        return
    message = {}
    for path in sheet.frame["path"].values():
        *keys, last = path.split(".")
        inner = message
        for key in keys:
            inner = inner.setdefault(key, {})
        inner[last] = 50
    for unit in sheet.frame.get("unit", {}).values():
        message[unit["path"]] = unit["word"]
    readings = decode_message("tele/bed/SENSOR", json.dumps(message).encode(), sheet)
    assert {r.output for r in readings} == sheet.outputs.keys()


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        ({"form": "xml"}, '"json" or "text"'),
        ({}, "frame.path"),
        ({"path": {}}, "frame.path"),
        ({"path": {"t": 4}}, "frame.path is a table with a text for each output, not { t = 4 }"),
        ({"path": {"t": "a", "u": "b"}}, "frame.path.u"),
        ({"path": {"t": "a"}, "expression": "x*2"}, "frame.expression"),
        (
            {"path": {"t": "a"}, "unit": {"t": "C"}},
            'frame.unit is a table such as { t = { path = "..."',
        ),
        ({"path": {"t": "a"}, "unit": 4}, "frame.unit"),
        ({"path": {"t": "a"}, "unit": {"t": {"path": "", "word": "C"}}}, "frame.unit.t.path"),
        ({"path": {"t": "a"}, "unit": {"t": {"path": "p", "word": ""}}}, "frame.unit.t.word"),
        ({"path": {"t": "a"}, "unit": {"t": {"path": 5, "word": "C"}}}, "frame.unit.t.path"),
        ({"path": {"t": "a"}, "unit": {"t": {"path": "p"}}}, "frame.unit.t.word is missing"),
        (
            {"path": {"t": "a"}, "unit": {"t": {"path": "p", "word": "C", "x": 1}}},
            "frame.unit.t.x is unknown",
        ),
        ({"path": {"t": "a"}, "member": {"t": {}}}, "not { t = {} }"),
        ({"path": {"t": "a"}, "time": "Time"}, "frame.time"),
        ({"path": {"t": "a"}, "time": {"path": "Time", "form": "local"}}, "frame.time"),
        ({"path": {"t": "a"}, "utc_offset": 1}, "frame.utc_offset"),
        ({"form": "text"}, "frame.topics"),
        ({"form": "text", "topics": {"t": ""}}, 'not { t = "" }'),
        ({"form": "text", "topics": {"t": "a", "u": "a"}}, "more than one"),
    ],
)
def test_the_owner_of_a_sheet_is_told_what_is_wrong_in_it(frame, word):
    errors = list(sheet_errors(owned(frame, ("t", "degC"))))
    assert any(word in error for error in errors), errors


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Temperature", "Id", "state", "x"]), inner)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(["DS18B20", "BME280", "TempUnit", "temperature", "last_seen", "state"])


@given(
    st.sampled_from(MODELS),
    st.sampled_from(["tele/x/SENSOR", "x/sensor/soil_temperature/state"]),
    st.binary(max_size=40)
    | st.dictionaries(KEYS, ANYTHING).map(lambda message: json.dumps(message).encode()),
)
def test_any_message_gives_readings_or_a_fault(model, topic, data):
    try:
        readings = decode_message(topic, data, load_sheet(model))
    except Fault:
        return
    assert all((r.number is None) == (r.status is not Status.OK) for r in readings)
