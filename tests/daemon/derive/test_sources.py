"""What a message's bytes mean by the configuration: fields, failure codes, times, whole or cut."""

from typing import Any

import orjson
import pytest

from edaphon.config import read_config
from edaphon.derive.decode import Decoded, Sources
from edaphon.derive.pipeline import Pipeline
from edaphon.derive.plan import Plan
from edaphon.derive.state import PipelineState
from edaphon.facts import Knowledge, fact_of
from edaphon.journal import Entry, Kind, Purpose
from edaphon.model import EntryId
from edaphon.toml_input.lines import read_document
from edaphon_drivers.faults import Garbled, Refused
from edaphon_drivers.readings import pack_message
from edaphon_drivers.simulators.lorawan import encode, tts_v3

NOW = 1_790_000_000_000_000_000
EUI = "A84041B2C1D5E6F7"
CONFIGURATION = f"""
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/nowhere"
[broker.local]
host = "h"
topics = ["plot/#"]
[broker.ttn]
host = "h"
topics = ["v3/#"]
envelope = "tts-v3"
[[source]]
broker = "ttn"
dev_eui = "{EUI}"
model = "milesight.em500-smtc"
[[source]]
broker = "local"
topic = "plot/node"
time = {{ path = "at", format = "rfc3339" }}
  [[source.field]]
  name = "t"
  path = "soil.t"
  quantity = "soil_temperature"
  unit = "degC"
  unit_path = "soil.unit"
  failure = [-127, 85]
"""


def sources() -> Sources:
    config, config_errors = read_config(read_document("edaphon.toml", CONFIGURATION))
    assert config is not None, config_errors
    return Sources.of(config)


def record(source: str, topic: str, data: bytes) -> Entry:
    payload = pack_message(topic, data, 1, False, False)
    return Entry(Kind.RECORD, NOW, 0, "boot", source, payload)


def received(message: dict[str, Any], topic: str = "plot/node") -> Decoded:
    return sources().decode(record("local", topic, orjson.dumps(message)))


def test_a_node_may_say_its_time_in_words() -> None:
    [reading] = received({"at": "2026-09-21T14:13:20+02:00", "soil": {"t": 9.5, "unit": "degC"}})[1]
    assert (reading.number, reading.time_ns) == (9.5, NOW - 7_200_000_000_000)


@pytest.mark.parametrize("code", [-127, 85, -127.0])
def test_a_failure_code_of_a_node_is_no_number(code: float) -> None:
    [reading] = received({"soil": {"t": code, "unit": "degC"}})[1]
    assert reading.number is None


def test_a_number_in_another_unit_than_configured_is_none() -> None:
    [reading] = received({"soil": {"t": 48.2, "unit": "degF"}})[1]
    assert reading.number is None


def test_a_message_that_was_cut_is_no_message_however_whole_its_start_looks() -> None:
    data = b'{"soil": {"t": 9.5, "unit": "degC"}}' + b" " * 70_000
    with pytest.raises(Garbled, match="at most 65536 bytes, not 70036, got .* from plot/node"):
        sources().decode(record("local", "plot/node", data))


@pytest.mark.parametrize("topic", ["plot/\x1b[2J", "plot/a\nERROR b", "plot/\u202e", "plot/\x00"])
def test_a_hostile_topic_is_told_in_one_line_of_plain_characters(topic: str) -> None:
    with pytest.raises(Refused) as refused:
        received({}, topic)
    with pytest.raises(Garbled) as garbled:
        sources().decode(record("ttn", topic, b"{"))
    for fault in (refused.value, garbled.value):
        assert str(fault).isascii()
        assert str(fault).isprintable()


def test_a_garbled_message_is_told_with_the_topic_or_the_device_it_came_from() -> None:
    with pytest.raises(Garbled, match="from plot/node$"):
        sources().decode(record("local", "plot/node", b"{"))
    topic, data = tts_v3(EUI, b"\x03\x67", 85, 1, NOW)
    with pytest.raises(Garbled, match=f"from ttn/{EUI.lower()}$"):
        sources().decode(record("ttn", topic, data))


def test_of_an_output_that_one_record_says_twice_the_first_stands_and_both_are_counted() -> None:
    once, f_port = encode("milesight.em500-smtc", {"soil_temperature": 9.5})
    again, _ = encode("milesight.em500-smtc", {"soil_temperature": 10.5})
    topic, data = tts_v3(EUI, once + again, f_port, 1, NOW)
    channel = {"kind": "channel", "id": "c", "quantity": "soil_temperature", "unit": "degC"}
    fed = {"channel": "c", "source": f"ttn/{EUI.lower()}", "output": "soil_temperature"}
    knowledge = Knowledge()
    for n, table in enumerate([channel, {"kind": "deployment", "id": "d", **fed}], 1):
        knowledge = knowledge.learn(EntryId(1, n), fact_of(table))
    state = PipelineState(boots={"boot": (NOW, 0)})
    plan = Plan.of(knowledge, sources().outputs, "s")
    runs = Pipeline(state, plan, sources(), lambda _: ()).step(
        [(EntryId(1, 3), record("ttn", topic, data))]
    )
    assert [run.raw.tolist() for run in runs if run.ordinal is None] == [[9.5]]
    assert [run.raw.tolist() for run in runs if run.ordinal is not None] == [[10.5]]
    assert state.derived == {"c": 2}


def test_what_was_said_at_the_bench_of_no_source_is_no_dead_letter() -> None:
    letters: list[object] = []
    line = Pipeline(
        PipelineState(), Plan.of(Knowledge(), {}, "s"), sources(), lambda _: (), letters.append
    )
    line.state.boots["boot"] = (0, 1)
    typed = Entry(Kind.RECORD, NOW, 0, "boot", "sdi12/term", b"\x01", None, Purpose.TEST)
    line.step([(EntryId(1, 2), typed)])
    assert (line.state.counts.decoded, line.state.counts.dead, letters) == (1, 0, [])
    line.step([(EntryId(1, 3), typed._replace(purpose=Purpose.ROUTINE))])
    assert (line.state.counts.decoded, line.state.counts.dead, len(letters)) == (1, 1, 1)


def test_entries_that_are_slow_to_decode_end_a_step_and_all_are_taken_by_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now += 0.4  # at each entry
        return now

    monkeypatch.setattr("edaphon.derive.pipeline.monotonic", monotonic)
    entries = [
        (EntryId(1, n), record("local", "plot/node", b'{"soil": {"t": 1}}')) for n in range(3, 20)
    ]
    line = Pipeline(PipelineState(boots={"boot": (NOW, 0)}), Plan(), sources(), lambda _: ())
    taken = []
    while entries:
        line.step(entries, 1000)
        taken.append(line.taken)
        del entries[: line.taken]
    assert set(taken) <= {1, 2}
    assert (line.state.counts.decoded, line.state.counts.dead) == (17, 0)
    whole = [(EntryId(1, n), record("local", "plot/node", b'{"t": 1}')) for n in range(20, 30)]
    line.step(whole)
    assert line.taken == 10


def test_an_uplink_that_comes_again_with_other_bytes_is_a_conflict_and_no_duplicate() -> None:
    def uplink(celsius: float, f_cnt: int = 7) -> Entry:
        data, f_port = encode("milesight.em500-smtc", {"soil_temperature": celsius})
        return record("ttn", *tts_v3(EUI, data, f_port, f_cnt, NOW))

    state = PipelineState(boots={"boot": (NOW, 0)})
    line = Pipeline(state, Plan(), sources(), lambda _: ())
    entries = [uplink(9.5), uplink(9.5), uplink(10.5), uplink(11.5, f_cnt=8), uplink(12.5)]
    line.step([(EntryId(1, n), entry) for n, entry in enumerate(entries, 3)])
    counts = state.counts
    assert (counts.records, counts.decoded, counts.duplicates, counts.conflicts) == (5, 2, 1, 2)
    found = state.uplink_conflicts[f"ttn/{EUI.lower()}"]
    assert (found.n, found.f_cnt, found.received_ns) == (2, 7, NOW)
    assert len({found.first, found.further}) == 2
    data, _ = encode("milesight.em500-smtc", {"soil_temperature": 12.5})
    assert found.begins == data.hex()
    again = PipelineState.of_json(orjson.loads(orjson.dumps(state.to_json())))
    assert again == state
    # A checkpoint of an earlier version has no digests: what comes again is a duplicate.
    again.uplinks = {p: [u._replace(digest="") for u in own] for p, own in again.uplinks.items()}
    Pipeline(again, Plan(), sources(), lambda _: ()).step([(EntryId(1, 9), uplink(9.0))])
    assert (again.counts.duplicates, again.counts.conflicts) == (2, 2)
