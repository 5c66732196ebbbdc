"""Envelopes of both network servers give the same uplink, and nothing for what is none."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.lorawan import Uplink, envelope_kinds, read_envelope
from edaphon_drivers.readings import LARGEST_MESSAGE_BYTES, UNREADABLE_NS
from edaphon_drivers.simulators import lorawan as mqtt_messages
from edaphon_drivers.simulators import lorawan as simulated

AT = 1_795_348_800_123_456_789
EUI = "a84041B2C1D5E6F7"
WRITERS: dict[str, Callable[..., tuple[str, bytes]]] = {
    "tts-v3": simulated.tts_v3,
    "chirpstack-v3": mqtt_messages.chirpstack_v3,
    "chirpstack-v4": simulated.chirpstack_v4,
    "helium": mqtt_messages.helium,
}
KINDS = sorted(WRITERS)
Change = tuple[str, Any]


def changed(kind: str, *path_and_value: Any) -> tuple[str, bytes]:
    """A good message in which one member is replaced, or removed with the value `...`."""
    topic, data = WRITERS[kind](EUI, b"\x02\x10", 1, 7, AT)
    *path, value = path_and_value
    message = inner = json.loads(data)
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return topic, json.dumps(message).encode()


def test_every_kind_has_a_writer_here() -> None:
    assert list(envelope_kinds()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("f_port", "f_cnt", "data"), [(1, 7, b"\x02\x10"), (85, 0, b"\xff" * 242)])
def test_an_uplink_comes_out_of_its_envelope(
    kind: str, f_port: int, f_cnt: int, data: bytes
) -> None:
    topic, message = WRITERS[kind](EUI, data, f_port, f_cnt, AT)
    uplink = read_envelope(kind, topic, message)
    assert uplink is not None
    at = AT // 10**6 * 10**6 if kind == "helium" else AT  # it says milliseconds
    assert uplink[:5] == ("a84041b2c1d5e6f7", f_port, f_cnt, data, at)
    assert len(uplink.session) > 0
    assert len(uplink.received_by) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_join_makes_a_new_session_of_the_same_counter(kind: str) -> None:
    first, second = (
        read_envelope(kind, *WRITERS[kind](EUI, b"\x02", 1, 1, AT, session))
        for session in ("00189440", "00189441")
    )
    assert first is not None
    assert second is not None
    assert first.session != second.session


def test_the_things_stack_without_a_session_key_falls_back_to_the_device_address() -> None:
    uplink = read_envelope("tts-v3", *changed("tts-v3", "uplink_message", "session_key_id", ...))
    assert uplink is not None
    assert uplink.session == "260B1AFB"


def test_the_network_servers_time_is_preferred_to_the_application_servers() -> None:
    both = read_envelope("tts-v3", *WRITERS["tts-v3"](EUI, b"\x02", 1, 1, AT))
    one = read_envelope("tts-v3", *changed("tts-v3", "uplink_message", "received_at", ...))
    assert both is not None
    assert one is not None
    assert (both.time_ns, one.time_ns) == (AT, AT + 200_000_000)


def test_decoded_fields_are_ignored_whatever_they_are() -> None:
    lies: list[tuple[str, bytes]] = [
        changed("tts-v3", "uplink_message", "decoded_payload", ["soil", 99]),
        changed("chirpstack-v4", "object", {"soil_temperature": 99.0}),
    ]
    plain = [WRITERS[kind](EUI, b"\x02\x10", 1, 7, AT) for kind in ("tts-v3", "chirpstack-v4")]
    kinds = ("tts-v3", "chirpstack-v4")
    assert [read_envelope(k, *m) for k, m in zip(kinds, lies, strict=True)] == [
        read_envelope(k, *m) for k, m in zip(kinds, plain, strict=True)
    ]


def test_an_uplink_of_mac_commands_alone_has_port_0_and_no_bytes() -> None:
    topic, message = simulated.chirpstack_v4(EUI, b"", 0, 0, AT)
    uplink = read_envelope("chirpstack-v4", topic, message)
    assert uplink == Uplink(EUI.lower(), 0, 0, b"", AT, "00189440", ("0016c001f153a14c",))


CHIRPSTACK_TOPIC = "application/1/device/a84041b2c1d5e6f7/event/"


@pytest.mark.parametrize(
    "event", ["join", "status", "log", "ack", "txack", "location", "integration"]
)
def test_no_other_chirpstack_event_is_an_uplink(event: str) -> None:
    message = {"deviceInfo": {"devEui": EUI}, "devAddr": "00189440", "margin": 10, "txInfo": {}}
    data = json.dumps(message).encode()
    assert read_envelope("chirpstack-v4", CHIRPSTACK_TOPIC + event, data) is None


@pytest.mark.parametrize("event", ["join", "down/queued", "down/ack", "location/solved", "service"])
def test_no_other_message_of_the_things_stack_is_an_uplink(event: str) -> None:
    message = {"end_device_ids": {"dev_eui": EUI}, "join_accept": {"session_key_id": "AX=="}}
    topic = f"v3/soil@ttn/devices/probe/{event}"
    assert read_envelope("tts-v3", topic, json.dumps(message).encode()) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_topic_renamed_by_its_owner_still_carries_uplinks(kind: str) -> None:
    _, message = WRITERS[kind](EUI, b"\x02", 1, 1, AT)
    assert read_envelope(kind, "forest/lorawan", message) is not None


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("tts-v3", ("uplink_message", 4)),
        ("tts-v3", ("uplink_message", ...)),
        ("tts-v3", ("end_device_ids", ...)),
        ("tts-v3", ("end_device_ids", "dev_eui", ...)),
        ("tts-v3", ("end_device_ids", "dev_eui", "A84041B2C1D5E6F")),
        ("tts-v3", ("end_device_ids", "dev_eui", "A84041B2C1D5E6FX")),
        ("tts-v3", ("uplink_message", "frm_payload", "!!!!")),
        ("tts-v3", ("uplink_message", "frm_payload", "AhA")),
        ("tts-v3", ("uplink_message", "frm_payload", ["AhA="])),
        ("tts-v3", ("uplink_message", "f_port", "one")),
        ("tts-v3", ("simulated", "yes")),
        ("tts-v3", ("uplink_message", "f_port", True)),
        ("tts-v3", ("uplink_message", "f_port", 256)),
        ("tts-v3", ("uplink_message", "f_cnt", -1)),
        ("tts-v3", ("uplink_message", "f_cnt", 7.0)),
        ("tts-v3", ("uplink_message", "session_key_id", 5)),
        ("chirpstack-v4", ("deviceInfo", ...)),
        ("chirpstack-v4", ("deviceInfo", "a84041b2c1d5e6f7")),
        ("chirpstack-v4", ("deviceInfo", "devEui", None)),
        ("chirpstack-v4", ("data", "gg")),
        ("chirpstack-v4", ("fPort", 1.0)),
        ("chirpstack-v4", ("fCnt", 2**32)),
        ("chirpstack-v4", ("devAddr", {})),
        ("chirpstack-v3", ("devEUI", ...)),
        ("chirpstack-v3", ("devEUI", "A84041B2C1D5E6F")),
        ("chirpstack-v3", ("devEUI", "qEBBssHV5g==")),
        ("chirpstack-v3", ("devAddr", "AAA=")),
        ("chirpstack-v3", ("data", "gg")),
        ("helium", ("dev_eui", "A8")),
        ("helium", ("port", "1.5")),
        ("helium", ("devaddr", 4)),
    ],
)
def test_a_member_of_the_wrong_kind_makes_the_message_garbled(
    kind: str, change: tuple[Any, ...]
) -> None:
    with pytest.raises(Garbled):
        read_envelope(kind, *changed(kind, *change))


TIMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "tts-v3": (("uplink_message", "received_at"), ("received_at",)),
    "chirpstack-v3": (("publishedAt",),),
    "chirpstack-v4": (("time",),),
    "helium": (("reported_at",),),
}


def with_times(kind: str, value: Any) -> Uplink:
    """A good message in which each time of the server is replaced, or removed with `...`."""
    topic, data = WRITERS[kind](EUI, b"\x02\x10", 1, 7, AT)
    message = json.loads(data)
    for *path, last in TIMES[kind]:
        inner = message
        for key in path:
            inner = inner[key]
        inner.pop(last, None) if value is ... else inner.update({last: value})
    for row in message.get("rxInfo", ()):
        row.pop("time", None) if value is ... else row.update({"time": value})
    uplink = read_envelope(kind, topic, json.dumps(message).encode())
    assert uplink is not None
    return uplink


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["yesterday", "", [], {}, True, "2026-13-01T00:00:00Z", -3])
def test_an_unreadable_time_costs_the_time_and_not_the_uplink(kind: str, value: Any) -> None:
    uplink = with_times(kind, value)
    unsent = value == "" and kind == "chirpstack-v3"  # as a server writes what it doesn't know
    assert uplink.time_ns == (None if unsent else UNREADABLE_NS)
    assert uplink[1:4] == (1, 7, b"\x02\x10")


@pytest.mark.parametrize("value", [None, ...])
def test_a_missing_time_is_unreadable_where_the_server_always_sends_one(value: Any) -> None:
    assert {kind: with_times(kind, value).time_ns for kind in KINDS} == {
        "tts-v3": UNREADABLE_NS,
        "chirpstack-v4": UNREADABLE_NS,
        "chirpstack-v3": None,  # a gateway without GPS has none, nor has an older server
        "helium": None,
    }


def test_one_readable_time_of_several_is_enough() -> None:
    uplink = read_envelope("tts-v3", *changed("tts-v3", "uplink_message", "received_at", "x"))
    assert uplink is not None
    assert uplink.time_ns == AT + 200_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_counters_and_ports_may_come_as_text_and_nulls_are_absent(kind: str) -> None:
    names = {"tts-v3": ("uplink_message", "f_port"), "helium": ("port",)}.get(kind, ("fPort",))
    for value, port in (("1", 1), (None, 0), ("", ...)):
        if port is ...:
            with pytest.raises(Garbled):
                read_envelope(kind, *changed(kind, *names, value))
        else:
            uplink = read_envelope(kind, *changed(kind, *names, value))
            assert uplink is not None
            assert uplink.f_port == port


def test_what_a_person_simulated_is_marked() -> None:
    answer = {v: read_envelope("tts-v3", *changed("tts-v3", "simulated", v)) for v in (True, False)}
    assert [u is not None and u.simulated for u in answer.values()] == [True, False]


@pytest.mark.parametrize("kind", KINDS)
def test_a_byte_order_mark_and_a_nul_behind_an_envelope_cost_nothing(kind: str) -> None:
    topic, data = WRITERS[kind](EUI, b"\x02\x10", 1, 7, AT)
    assert read_envelope(kind, topic, b"\xef\xbb\xbf" + data + b"\r\n\0\0") == read_envelope(
        kind, topic, data
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "rows", [None, 4, "x", [4, None, {}], [{"gatewayId": 3, "gatewayID": 3}], {"a": []}]
)
def test_odd_gateway_lists_cost_their_names_and_not_the_uplink(kind: str, rows: Any) -> None:
    where = {"tts-v3": ("uplink_message", "rx_metadata"), "helium": ("hotspots",)}
    uplink = read_envelope(kind, *changed(kind, *where.get(kind, ("rxInfo",)), rows))
    assert uplink is not None
    assert uplink.received_by == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\x00\x01",
        b'{"uplink_message":' * 5000,
        b"[" * 60_000 + b"]" * 60_000,
        b'{"a":"' + b"x" * LARGEST_MESSAGE_BYTES + b'"}',
    ],
)
def test_what_is_not_a_json_object_of_a_sane_size_is_garbled_at_once(
    kind: str, data: bytes
) -> None:
    with pytest.raises(Garbled):
        read_envelope(kind, "v3/soil/devices/probe/up", data)


def test_an_unknown_kind_says_which_there_are() -> None:
    with pytest.raises(LookupError, match=r"chirpstack-v4, helium, tts-v3.*'os'"):
        read_envelope("os", "t", b"{}")


MEMBERS = st.sampled_from(
    [
        "uplink_message",
        "end_device_ids",
        "dev_eui",
        "f_port",
        "deviceInfo",
        "devEui",
        "data",
        "time",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(KINDS), st.dictionaries(MEMBERS, ANYTHING), st.sampled_from(["a/up", "a/x"]))
def test_any_object_gives_an_uplink_nothing_or_a_fault(
    kind: str, message: dict[str, Any], topic: str
) -> None:
    try:
        uplink = read_envelope(kind, topic, json.dumps(message).encode())
    except Fault:
        return
    assert uplink is None or isinstance(uplink, Uplink)


def test_bytes_are_not_trusted_to_be_padded_base64() -> None:
    loose = base64.b64encode(b"\x02\x10").decode() + "\n"
    with pytest.raises(Garbled):
        read_envelope("tts-v3", *changed("tts-v3", "uplink_message", "frm_payload", loose))
