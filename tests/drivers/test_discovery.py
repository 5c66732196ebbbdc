"""An announced sensor is understood where it only picks a number, and doubted elsewhere."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.discovery import Discovered, read_discovery, read_template
from edaphon_drivers.faults import Fault, Garbled

TOPIC = "homeassistant/sensor/probe_temp/config"


def announced(topic=TOPIC, **members):
    return read_discovery(topic, json.dumps({"stat_t": "tele/probe/SENSOR", **members}).encode())


def test_long_and_short_keys_say_the_same():
    long = announced(
        state_topic="a/b",
        value_template="{{ value_json.t }}",
        unit_of_measurement="°C",
        device_class="temperature",
        unique_id="p1",
        name="Soil",
        device={"manufacturer": "Xiaomi", "model": "MiFlora"},
        availability=[{"topic": "a/state"}, {"topic": "a/bridge"}],
    )
    short = announced(
        stat_t="a/b",
        val_tpl="{{ value_json.t }}",
        unit_of_meas="°C",
        dev_cla="temperature",
        uniq_id="p1",
        name="Soil",
        dev={"mf": "Xiaomi", "mdl": "MiFlora"},
        avty=[{"t": "a/state"}, {"t": "a/bridge"}],
    )
    assert long == short
    assert long == Discovered(
        "a/b",
        "t",
        "°C",
        "temperature",
        "Soil",
        "p1",
        "Xiaomi",
        "MiFlora",
        ("a/state", "a/bridge"),
    )


def test_a_tilde_stands_for_the_base_topic_at_either_end():
    found = announced(**{"~": "tele/probe", "stat_t": "~/SENSOR", "avty_t": "LWT/~"})
    assert (found.state_topic, found.availability) == ("tele/probe/SENSOR", ("LWT/tele/probe",))
    assert announced(stat_t="~/SENSOR").state_topic == "~/SENSOR"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("", ""),
        ("{{ value }}", ""),
        ("{{value|float}}", ""),
        ("{{ value_json.Temperature}}", "Temperature"),
        ("{{ value_json.a.b }}", "a.b"),
        ("{{ value_json['a']['b'] }}", "a.b"),
        ('{{value_json["DS18B20-1"].Temperature}}', "DS18B20-1.Temperature"),
        ("{{ value_json.rows[0].t }}", "rows.0.t"),
        ("{{- value_json.tempc | is_defined -}}", "tempc"),
        ("{{ value_json.t | float(0) | default(none) }}", "t"),
    ],
)
def test_a_template_that_only_picks_a_number_becomes_a_path(template, path):
    assert read_template(template) == (path, "")


@pytest.mark.parametrize(
    "template",
    [
        "{{ value_json.t | round(1) }}",
        "{{ value_json.t | int }}",
        "{{ value_json.t / 10 }}",
        "{{ value_json.t | float / 10 }}",
        "{{ value_json.t | float | multiply(2) }}",
        "{{ value_json.a if value_json.b else 0 }}",
        "{% if value_json.a %}{{ value_json.a }}{% endif %}",
        "{{ value_json.t }} °C",
        "{{ value_json }}",
        "{{ value.t }}",
        "{{ value_json['a.b'] }}",
        "{{ value_json[''] }}",
        "{{ value_json.t() }}",
        "{{ value_json['a' + 'b'] }}",
        "{{ states('sensor.x') }}",
        "{{ value_json" + ".a" * 400 + " }}",
    ],
)
def test_a_template_that_does_more_has_no_path_and_says_so(template):
    picked = read_template(template)
    assert picked.path is None
    assert picked.doubt
    found = announced(val_tpl=template)
    assert (found.json_path, found.doubt) == tuple(picked)


@pytest.mark.parametrize(
    "topic",
    [
        "homeassistant/switch/probe/config",
        "homeassistant/binary_sensor/probe/config",
        "homeassistant/sensor/probe/state",
        "sensor/config",
        "",
    ],
)
def test_other_topics_announce_no_sensor(topic):
    assert announced(topic=topic) is None


def test_a_node_may_stand_in_the_topic_and_an_empty_message_withdraws():
    assert announced(topic="homeassistant/sensor/node7/t/config") is not None
    assert read_discovery(TOPIC, b"") is None


@pytest.mark.parametrize("data", [b"[]", b"on", b"{}", b'{"stat_t":4}', b'{"stat_t":""}'])
def test_an_announcement_without_a_topic_is_garbled(data):
    with pytest.raises(Garbled):
        read_discovery(TOPIC, data)


def test_members_of_the_wrong_kind_cost_themselves_alone():
    found = announced(dev=[], avty="x", unit_of_meas=3, val_tpl={}, name=None)
    assert (found.model, found.availability, found.unit, found.json_path) == ("", (), "", "")


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["stat_t", "val_tpl", "dev", "avty", "~", "unit_of_meas", "availability"])


@given(st.dictionaries(KEYS, ANYTHING), st.text(alphabet="{}v alue_json.[]'|", max_size=60))
def test_any_announcement_is_understood_or_a_fault(members, template):
    try:
        found = read_discovery(TOPIC, json.dumps({"val_tpl": template, **members}).encode())
    except Fault:
        return
    assert found.state_topic
    assert (found.json_path is None) == bool(found.doubt)
