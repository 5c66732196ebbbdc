"""Uplinks without data, simulated ones, cut ones: no false value, and each is counted by source."""

import base64
import json
from typing import Any

import orjson
import pytest

from edaphon.config import read_config
from edaphon.derive.decode import Decoded, Sources
from edaphon.derive.pipeline import Pipeline
from edaphon.derive.plan import Plan
from edaphon.derive.state import NOTES_REMEMBERED, PipelineState
from edaphon.facts import Knowledge
from edaphon.journal import Entry, Kind
from edaphon.model import EntryId
from edaphon.toml_input.lines import read_document
from edaphon_drivers.readings import UNREADABLE_NS, pack_message
from edaphon_drivers.simulators import lorawan as mqtt_messages
from edaphon_drivers.simulators import lorawan as simulated

NOW = 1_790_000_000_000_000_000
SHEET, SCRIPT = "a84041b2c1d5e6f7", "a84041b2c1d5e6f8"
CODEC = """function decodeUplink(input) {
  var b = input.bytes;
  return { data: { t: ((b[0] << 24 >> 16) | b[1]) / 100, at: input.recvTime.getTime() } };
}"""
ENVELOPES = {
    "tts-v3": simulated.tts_v3,
    "chirpstack-v3": mqtt_messages.chirpstack_v3,
    "chirpstack-v4": simulated.chirpstack_v4,
    "helium": mqtt_messages.helium,
}
DATA, PORT, COUNTER = (
    {"tts-v3": "frm_payload", "helium": "payload"},
    {"tts-v3": "f_port", "helium": "port"},
    {"tts-v3": "f_cnt", "helium": "fcnt"},
)
CONFIGURATION = f"""
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/nowhere"
[broker.KIND]
host = "h"
topics = ["#"]
envelope = "KIND"
[[source]]
broker = "KIND"
dev_eui = "{SHEET}"
model = "milesight.em500-smtc"
[[source]]
broker = "KIND"
dev_eui = "{SCRIPT}"
codec_file = "/x.js"
  [[source.field]]
  name = "t"
  path = "t"
  quantity = "soil_temperature"
  unit = "degC"
"""
EVERYWHERE = [(kind, eui) for kind in ENVELOPES for eui in (SHEET, SCRIPT)]


def sources(kind: str) -> Sources:
    text = CONFIGURATION.replace("KIND", kind)
    config, config_errors = read_config(read_document("edaphon.toml", text))
    assert config is not None, config_errors
    return Sources.of(config, {"/x.js": CODEC})


SOURCES = {kind: sources(kind) for kind in ENVELOPES}


def entry(kind: str, eui: str, change: dict[str, Any], **outer: Any) -> Entry:
    """A good uplink with members of its inner part replaced, or removed with `...`."""
    topic, data = ENVELOPES[kind](eui, bytes.fromhex("0367fa00"), 85, 7, NOW)
    message = json.loads(data)
    inner = message.get("uplink_message", message)
    for key, value in change.items():
        inner.pop(key, None) if value is ... else inner.update({key: value})
    payload = pack_message(topic, orjson.dumps({**message, **outer}), 1, False, False)
    return Entry(Kind.RECORD, NOW, 0, "boot", kind, payload)


def decoded(kind: str, *more: Any, **outer: Any) -> Decoded:
    return SOURCES[kind].decode(entry(kind, *more, **outer))


def stepped(*entries: Entry) -> PipelineState:
    state = PipelineState(boots={"boot": (NOW, 0)})
    own = SOURCES[entries[0].source]
    line = Pipeline(state, Plan.of(Knowledge(), own.outputs, "s"), own, lambda _: ())
    line.step([(EntryId(1, n), one) for n, one in enumerate(entries, 2)])
    return state


@pytest.mark.parametrize(("kind", "eui"), EVERYWHERE)
def test_a_good_uplink_has_readings_by_sheet_and_by_script(kind: str, eui: str) -> None:
    assert decoded(kind, eui, {}).readings


@pytest.mark.parametrize(("kind", "eui"), EVERYWHERE)
@pytest.mark.parametrize("case", ["empty", "null", "missing", "port 0", "no port", "port 224"])
def test_no_decoder_sees_an_uplink_without_data(kind: str, eui: str, case: str) -> None:
    data, port = DATA.get(kind, "data"), PORT.get(kind, "fPort")
    changes: dict[str, dict[str, Any]] = {
        "empty": {data: ""},
        "null": {data: None},
        "missing": {data: ...},
        "port 0": {port: 0},
        "no port": {port: ...},
        "port 224": {port: 224},
    }
    found = decoded(kind, eui, changes[case])
    assert found.readings == ()
    assert found.uplink is not None, "it counts for the frame counter"
    state = stepped(entry(kind, eui, changes[case]))
    assert state.notes == {f"{kind}/{eui}": {"uplink without data": 1}}
    assert (state.counts.decoded, state.counts.dead) == (1, 0)
    assert state.seen == {f"{kind}/{eui}": NOW}, "the device was received"


def test_an_uplink_without_data_leaves_no_hole_in_the_frame_counter() -> None:
    bare = [{DATA["tts-v3"]: ...}, {PORT["tts-v3"]: 0}]
    entries = [entry("tts-v3", SCRIPT, {"f_cnt": n, **bare[n % 2]}) for n in (1, 2, 3)]
    state = stepped(*entries, entry("tts-v3", SCRIPT, {"f_cnt": 4}))
    assert state.uplinks_missed == {}
    assert state.counts.duplicates == 0


@pytest.mark.parametrize("eui", [SHEET, SCRIPT])
def test_a_simulated_uplink_is_counted_and_is_nothing_else(eui: str) -> None:
    made = entry("tts-v3", eui, {"f_cnt": 23787}, simulated=True)
    assert SOURCES["tts-v3"].decode(made).readings == ()
    state = stepped(made, entry("tts-v3", eui, {"f_cnt": 7}), made)
    assert state.notes == {f"tts-v3/{eui}": {"simulated uplink": 2}}
    assert state.uplinks_missed == {}, "its counter is no counter of the device"
    assert (state.counts.decoded, state.counts.duplicates) == (3, 0)
    assert stepped(made).seen == {}, "the device itself was not received"


def test_an_unknown_channel_is_counted_by_source_and_the_others_have_values() -> None:
    data = bytes.fromhex("0175640367fa0007aa01")
    cut = entry("tts-v3", SHEET, {"frm_payload": base64.b64encode(data).decode()})
    assert [r.number for r in SOURCES["tts-v3"].decode(cut).readings] == [100.0, 25.0]
    state = stepped(cut, entry("tts-v3", SHEET, {"f_cnt": 8}))
    assert state.notes == {f"tts-v3/{SHEET}": {"unknown channel 07 AA": 1}}


def test_the_words_counted_by_source_are_bounded_and_nothing_is_left_out() -> None:
    state = PipelineState()
    for n in range(100):
        state.note("a", f"unknown channel {n}")
    assert len(state.notes["a"]) == NOTES_REMEMBERED + 1
    assert state.notes["a"]["others"] == 100 - NOTES_REMEMBERED


def test_the_counts_survive_a_checkpoint_and_an_older_one_has_none() -> None:
    state = PipelineState()
    state.note("a", "simulated uplink")
    table = state.to_json()
    assert PipelineState.of_json(table).notes == {"a": {"simulated uplink": 1}}
    del table["notes"]
    assert PipelineState.of_json(table).notes == {}


def test_an_uplink_whose_time_is_unreadable_is_decoded_without_a_clock() -> None:
    found = decoded("tts-v3", SCRIPT, {"received_at": "x"}, received_at=None)
    assert found.time_ns == UNREADABLE_NS
    assert [r.number for r in found.readings] == [8.71]
