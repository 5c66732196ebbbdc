"""A maker's JavaScript turns bytes into numbers, and harms nothing where it is wrong or hostile."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon_drivers import javascript
from edaphon_drivers.faults import Fault, Garbled, Refused
from edaphon_drivers.javascript import INSTALL, Codec, decode_with
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.message_values import JsonField, JsonFields
from edaphon_drivers.readings import Origin, Status
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators import lorawan as simulated

AT = 1_795_348_800_123_456_789
FORMS = {
    "The Things Stack, ChirpStack v4": "function decodeUplink(input) {"
    " return { data: { first: input.bytes[0], port: input.fPort, n: input.bytes.length } }; }",
    "ChirpStack v3": "function Decode(fPort, bytes, variables) {"
    " return { first: bytes[0], port: fPort, n: bytes.length }; }",
    "The Things Network v2": "function Decoder(bytes, port) {"
    " return { first: bytes[0], port: port, n: bytes.length }; }",
    "Helium": "function Decoder(bytes, port, uplink_info) {"
    " return { first: bytes[0], port: uplink_info.fport, n: bytes.length }; }",
    "a constant": "const decodeUplink = ({ bytes, fPort }) => ("
    "{ data: { first: bytes[0], port: fPort, n: bytes.length } }) // the end",
}
EM500 = """
function decodeUplink(input) {
  var b = input.bytes, data = {}, i = 0;
  function u16() { var v = b[i + 2] | b[i + 3] << 8; i += 4; return v === 0xFFFF ? null : v; }
  function scaled(v, n) { return v === null ? null : v / n; }
  while (i < b.length) {
    var key = b[i] << 8 | b[i + 1];
    if (key === 0x0175) { data.battery = b[i + 2]; i += 3; }
    else if (key === 0x0367) {
      var t = u16();
      data.temperature = scaled(t > 0x7FFF ? t - 0x10000 : t, 10);
    }
    else if (key === 0x04CA) { data.moisture = scaled(u16(), 100); }
    else if (key === 0x057F) { data.ec = u16(); }
    else return { errors: ["unknown channel " + key] };
  }
  return { data: data };
}
"""
EM500_FIELDS = JsonFields(
    (
        JsonField("battery_level", "battery", "battery_level", "%"),
        JsonField("soil_temperature", "temperature", "soil_temperature", "degC"),
        JsonField("volumetric_water_content", "moisture", "volumetric_water_content", "%"),
        JsonField("bulk_electrical_conductivity", "ec", "bulk_electrical_conductivity", "uS/cm"),
    )
)


def made(body, data=b"\x01\x02", **limits):
    """What `data` a decodeUplink with that body makes."""
    codec = Codec(f"function decodeUplink(input) {{ {body} }}", "own.js", **limits)
    return codec.decode(data, 2, AT)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_codec_is_handed_bytes_and_port(form):
    assert Codec(FORMS[form], "own.js").decode(b"\xff\x00\x7f", 85) == {
        "first": 255,
        "port": 85,
        "n": 3,
    }


def test_the_newest_form_in_a_file_is_taken():
    text = FORMS["ChirpStack v3"] + FORMS["The Things Network v2"]
    newest = "function decodeUplink() { return { data: { newest: 1 } }; }"
    assert Codec(text + newest, "own.js").decode(b"\x01", 2) == {"newest": 1}


def test_a_codec_of_our_own_table_agrees_with_the_native_one():
    sheet, codec = load_sheet("milesight.em500-smtc"), Codec(EM500, "em500.js")
    for data, f_port, _ in simulated.frames("milesight.em500-smtc", 7, 20):
        native = {r.output: r.number for r in decode_uplink(data, f_port, sheet)}
        ours = {r.output: r.number for r in decode_with(codec, data, f_port, EM500_FIELDS)}
        assert ours == native


def test_the_owners_paths_lead_into_what_the_codec_made():
    codec = Codec(
        "function decodeUplink(i) { return { data: "
        "{ soil: [{ t: -1.5 }], v: '3.6', w: '3,6', n: 0/0 } }; }",
        "own.js",
    )
    fields = JsonFields(
        (
            JsonField("t", "soil.0.t", "soil_temperature", "degC", failure=(-127.0,)),
            JsonField("v", "v", "battery_voltage", "V"),
            JsonField("w", "w", "battery_voltage", "V"),
            JsonField("n", "n", "relative_humidity", "%"),
            JsonField("absent", "x.y", "relative_humidity", "%"),
        )
    )
    readings = decode_with(codec, b"", 1, fields)
    assert [(r.output, r.number, r.status) for r in readings] == [
        ("t", -1.5, Status.OK),
        ("v", 3.6, Status.OK),
        ("w", None, Status.INVALID),
        ("n", None, Status.INVALID),
    ]
    assert {r.origin for r in readings} == {Origin.REPORTED}


def test_nothing_of_one_uplink_reaches_the_next():
    body = """
      globalThis.count = (globalThis.count || 0) + 1; Array.prototype.mine = 1; seen.push(1);
      return { data: { count: globalThis.count, seen: seen.length } };"""
    codec = Codec(f"var seen = []; function decodeUplink(input) {{ {body} }}", "own.js")
    assert [codec.decode(b"", 1) for _ in range(3)] == [{"count": 1, "seen": 1}] * 3


@pytest.mark.parametrize(
    "name",
    ["require", "std", "os", "process", "fetch", "XMLHttpRequest", "setTimeout", "print", "module"]
    + ["scriptArgs", "Deno", "loadFile", "performance", "Atomics", "SharedArrayBuffer", "WeakRef"],
)
def test_nothing_of_the_machine_is_within_reach(name):
    assert made(f"return {{ data: {{ t: typeof {name} }} }};") == {"t": "undefined"}


def test_no_file_is_imported(tmp_path):
    module = tmp_path / "m.js"
    module.write_text("export const x = 1;")
    with pytest.raises(Refused, match="SyntaxError"):
        Codec(f"import {{ x }} from '{module}'; {FORMS['ChirpStack v3']}", "own.js").load()
    body = f"let got = 0; import('{module}').then(m => {{ got = m.x; }});"
    assert made(body + "return { data: { got } };") == {"got": 0}


def test_the_time_of_receipt_is_the_only_clock_and_utc_the_only_zone(monkeypatch):
    monkeypatch.setenv("TZ", "America/St_Johns")
    body = """
      const d = new Date(2026, 0, 31, 23, 5);
      return { data: { now: Date.now(), made: new Date().getTime(), at: +input.recvTime,
                       d: d.toISOString(), h: d.getHours(), o: d.getTimezoneOffset() } };"""
    assert made(body) == {
        "now": 1_795_348_800_123,
        "made": 1_795_348_800_123,
        "at": 1_795_348_800_123,
        "d": "2026-01-31T23:05:00.000Z",
        "h": 23,
        "o": 0,
    }


def test_without_a_time_of_receipt_the_clock_gives_no_number():
    codec = Codec("function Decode(p, b) { return { now: Date.now(), s: 1 }; }", "own.js")
    assert codec.decode(b"", 1) == {"now": None, "s": 1}


def test_chance_is_refused_since_two_derivations_would_differ():
    with pytest.raises(Garbled, match="chance"):
        made("return { data: { x: Math.random() } };")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return { errors: ['unknown port', 'x'] };", "unknown port; x"),
        ("return { data: { a: 1 }, errors: ['half'] };", "half"),
        ("return { errors: 'as text' };", "as text"),
        ("throw new Error('battery is empty');", "battery is empty"),
        ("throw 'a text';", "a text"),
        ("throw undefined;", "undefined"),
        ("return input.nothing.at.all;", "TypeError"),
        ("return 4;", "no object"),
        ("return null;", "no object"),
        ("return {};", "None"),
        ("return { data: [1] };", "1"),
        ("return { data: 'x' };", "x"),
        ("return { data: Promise.resolve({}) };", "a promise"),
        ("return { data: { x: 10n } };", "BigInt"),
        ("const o = {}; o.o = o; return { data: o };", "circular"),
        ("return { data: { get x() { throw new Error('trap'); } } };", "trap"),
        ("throw { toString() { throw 1; } };", "no text"),
    ],
)
def test_what_the_codec_says_against_an_uplink_is_passed_on(body, words):
    with pytest.raises(Garbled, match=words):
        made(body)


# Endless loops end soon; what is stopped by another limit gets time enough on any machine.
LIMITED = {"time_limit_s": 5, "memory_limit_bytes": 4 << 20}
SOON = {**LIMITED, "time_limit_s": 0.05}
ENDLESS = "for (;;);"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (ENDLESS, "CPU"),
        ("try { for (;;); } catch (e) {} finally { for (;;); }", "CPU"),
        ("/^(a+)+$/.test('a'.repeat(40) + 'b');", "CPU"),
        ("throw { toString() { for (;;); } };", "CPU"),
        ("return { data: { toJSON() { for (;;); } } };", "CPU"),
        ("return { get data() { for (;;); } };", "CPU"),
        ("InternalError.prototype.toString = function () { for (;;); }; for (;;);", "CPU"),
        ("Error.prepareStackTrace = function () { for (;;); }; for (;;);", "CPU"),
        ("const a = []; a.length = 4294967295; a.indexOf(5);", "CPU"),
        ("const a = []; for (;;) a.push([1, 2, 3, 4]);", "out of memory"),
        ("return { data: { x: 'x'.repeat(1e8) } };", "out of memory"),
        ("return { data: { x: 'x'.repeat(100000) } };", "65536"),
        ("return decodeUplink(input);", "call stack"),
        ("const a = []; a.length = 4294967295; a.sort();", "CPU"),
        ("return { data: { x: '' + Array(4e8) } };", "CPU"),
        ("return { data: { x: [].concat(Array(4e8)).length } };", "CPU"),
        ("Array(4e8).shift();", "CPU"),
        ("[1, [2, [Array(4e8)]]].flat(9);", "CPU"),
        ("[1].flatMap(() => Array(4e8));", "CPU"),
        ("'a'.repeat(4e5).indexOf('a'.repeat(2e5) + 'b');", "CPU"),
        ("eval('('.repeat(100000));", "call stack"),
    ],
)
def test_a_limit_that_is_exceeded_ends_the_codec_and_not_the_service(body, words):
    with pytest.raises(Garbled, match=words):
        made(body, **(SOON if words == "CPU" else LIMITED))
    assert made("return { data: { fine: 1 } };", **LIMITED) == {"fine": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "decodeUplink, Decode or Decoder"),
        ("var decodeUplink = 4;", "decodeUplink, Decode or Decoder"),
        ("function (", "SyntaxError"),
        ("function Decode() { return {}; } /* open", "SyntaxError"),
        ("throw new Error('not here');", "not here"),
        (ENDLESS, "CPU"),
        ("function f() { f(); } f();", "call stack"),
        ("const a = []; for (;;) a.push('x'.repeat(9));", "out of memory"),
        ("\ud800", "UTF-8"),
        ("var a;\0", "NUL"),
        (" " * (1 << 20) + "1", "at most"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_when_it_is_read(text, words):
    with pytest.raises(Refused, match=words):
        Codec(text, "own.js", **(SOON if words == "CPU" else LIMITED)).load()


def test_a_file_may_begin_with_a_byte_order_mark_and_be_strict_or_sloppy():
    for start in ("\ufeff", "'use strict';", "sloppy = 1;", "console.log('x');"):
        assert Codec(start + FORMS["ChirpStack v3"], "own.js").decode(b"\x05", 1)["first"] == 5


def test_usual_texts_and_arrays_are_handled_as_ever():
    body = """
      const hex = input.bytes.map((b) => b.toString(16).padStart(2, '0')).join(':');
      return { data: { hex: hex, parts: hex.split(':').length, at: hex.indexOf('ff'),
                       sorted: [3, 1, 2].sort((a, b) => b - a), cut: input.bytes.slice(1),
                       flat: [1, [2, [3]]].flat(), mapped: [1, 2].flatMap((n) => [n, [n]]),
                       swapped: hex.replace(/:/g, '-'), v: Number('a=1.5'.replace('a=', '')) } };"""
    assert made(body, b"\x0a\xff") == {
        "hex": "0a:ff",
        "parts": 2,
        "at": 3,
        "sorted": [3, 2, 1],
        "cut": [255],
        "flat": [1, 2, [3]],
        "mapped": [1, [1], 2, [2]],
        "swapped": "0a-ff",
        "v": 1.5,
    }


def test_a_codec_that_bends_the_builtins_misleads_only_itself():
    bent = "JSON.stringify = () => 'x'; JSON.parse = () => [9]; Reflect.apply = null; "
    assert made(bent + "return { data: { a: input.bytes[0] } };") == {"a": 1}


FORGED = (
    "return 5",
    "return true",
    "return null",
    "return 'errors fault threw'",
    "return ['errors']",
    "return { toJSON: 0, errors: { a: 'x'.repeat(60000) } }",
    "return { toJSON: 0, data: {}, threw: [[1]] }",
)


@pytest.mark.parametrize("place", ["load", "call"])
@pytest.mark.parametrize("act", FORGED)
def test_an_answer_that_the_codec_forges_is_a_fault_in_few_words(act, place):
    """It may bend how the frame around it writes its answer."""
    text = f"Object.prototype.toJSON = function () {{ {act}; }};"
    text += "function decodeUplink(input) { return { data: { t: 1 } }; }"
    codec = Codec(text if place == "load" else "", "forged.js")
    if place == "call":
        codec = Codec(
            "function decodeUplink(input) { Object.prototype.toJSON = function () {"
            f" {act}; }}; return {{ data: {{ t: 1 }} }}; }}",
            "forged.js",
        )
    with pytest.raises(Fault) as caught:
        codec.decode(b"\x01", 2)
    assert len(caught.value.came) <= 1000


def test_words_of_a_codec_are_cut_whatever_it_makes_of_texts():
    bent = "String.prototype.slice = function () { return 'x'.repeat(60000); }; throw new Error(1);"
    with pytest.raises(Garbled) as caught:
        made(bent)
    assert len(caught.value.came) <= 1000
    with pytest.raises(Garbled, match="at most 65536"):
        made(bent.replace("60000", "900000"))


def test_a_list_as_deep_as_json_may_be_is_a_fault():
    with pytest.raises(Garbled, match="an object as the codec's data"):
        made("let d = [1]; for (let i = 0; i < 990; i++) d = [d]; return { data: d };")


def test_threads_may_share_a_codec():
    codec, found = Codec(EM500, "em500.js"), []

    def work(battery):
        for _ in range(10):
            found.append(codec.decode(bytes((1, 0x75, battery)), 85) == {"battery": battery})

    threads = [threading.Thread(target=work, args=(n,)) for n in (11, 22, 33)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 30


def test_without_quickjs_the_line_to_type_is_shown(monkeypatch):
    monkeypatch.setattr(javascript, "engine_folder", lambda: None)
    codec = Codec(EM500, "em500.js")
    for use in (codec.load, lambda: codec.decode(b"", 1)):
        with pytest.raises(Refused) as refused:
            use()
        assert INSTALL in str(refused.value)


FUZZED = Codec(EM500, "em500.js")


@settings(max_examples=40)
@given(st.binary(max_size=24), st.integers(0, 255))
def test_any_bytes_give_an_object_or_a_fault(data, f_port):
    try:
        assert isinstance(FUZZED.decode(data, f_port), dict)
    except Fault:
        return
