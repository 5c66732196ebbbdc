"""What only older network servers do: hex or base64, seconds or milliseconds, no session."""

import json

import pytest
from tests.sent_messages import chirpstack_v3_legacy

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import read_envelope
from edaphon_drivers.readings import UNREADABLE_NS
from edaphon_drivers.simulators import lorawan as mqtt_messages

AT = 1_795_348_800_123_456_789
EUI = "a84041b2c1d5e6f7"


def changed(writer, **members):
    topic, data = writer(EUI, b"\x02\x10", 2, 7, AT)
    message = {**json.loads(data), **members}
    return topic, json.dumps({k: v for k, v in message.items() if v is not ...}).encode()


def test_both_forms_of_chirpstack_v3_name_the_same_device_and_bytes():
    new = read_envelope("chirpstack-v3", *mqtt_messages.chirpstack_v3(EUI, b"\x02", 2, 7, AT))
    old = read_envelope("chirpstack-v3", *chirpstack_v3_legacy(EUI, b"\x02", 2, 7, AT))
    assert new[:5] == old[:5] == (EUI, 2, 7, b"\x02", AT)
    assert new.received_by == old.received_by == ("0016c001f153a14c",)
    assert (new.session, old.session) == ("00189440", "")


@pytest.mark.parametrize("eui", [EUI.upper(), EUI, "qEBBssHV5vc="])
def test_the_device_of_chirpstack_v3_is_known_in_hex_and_in_base64(eui):
    uplink = read_envelope("chirpstack-v3", *changed(mqtt_messages.chirpstack_v3, devEUI=eui))
    assert uplink.dev_eui == EUI


def test_twelve_bytes_that_look_like_hex_in_base64_are_not_taken_for_a_device():
    with pytest.raises(Garbled, match="8 bytes"):
        read_envelope(
            "chirpstack-v3", *changed(mqtt_messages.chirpstack_v3, devEUI="zzzzzzzzzzzzzzzz")
        )


@pytest.mark.parametrize("event", ["join", "status", "error", "ack", "txack", "location", "tx"])
@pytest.mark.parametrize("middle", ["event/", "", "command/"])
def test_no_other_event_of_chirpstack_v3_is_an_uplink(event, middle):
    topic = f"application/123/device/{EUI}/{middle}{event}"
    data = json.dumps({"devEUI": "qEBBssHV5vc=", "rxInfo": [], "margin": 3}).encode()
    assert read_envelope("chirpstack-v3", topic, data) is None


def test_nulls_of_chirpstack_v3_are_as_good_as_absent_members():
    nulls = changed(
        mqtt_messages.chirpstack_v3, data=None, publishedAt=None, fPort=None, devAddr=None
    )
    assert read_envelope("chirpstack-v3", *nulls)[1:6] == (0, 7, b"", None, "")


def test_decoded_text_of_chirpstack_v3_is_ignored_whatever_it_is():
    plain = read_envelope("chirpstack-v3", *changed(mqtt_messages.chirpstack_v3))
    lies = changed(mqtt_messages.chirpstack_v3, objectJSON=["{"], object=4)
    assert read_envelope("chirpstack-v3", *lies) == plain


@pytest.mark.parametrize(
    ("answer", "ns"),
    [
        (1_586_868_546, 1_586_868_546 * 10**9),
        (1_586_868_546_123, 1_586_868_546_123 * 10**6),
        (0, 0),
        (2**53, UNREADABLE_NS),
        ("1586868546", 1_586_868_546 * 10**9),
        ("soon", UNREADABLE_NS),
        (..., None),
    ],
)
def test_helium_reports_in_seconds_or_in_milliseconds(answer, ns):
    uplink = read_envelope("helium", *changed(mqtt_messages.helium, reported_at=answer))
    assert uplink.time_ns == ns


def test_other_messages_of_helium_are_no_uplinks():
    _, data = changed(mqtt_messages.helium)
    assert read_envelope("helium", "helium/3c822699/tx", data) is None
    join = changed(mqtt_messages.helium, type="join")
    assert read_envelope("helium", *join) is None
    assert read_envelope("helium", "helium/3c822699/state", b'{"id":"3c822699"}') is None


def test_helium_may_say_that_it_is_an_uplink():
    uplink = read_envelope(
        "helium", *changed(mqtt_messages.helium, type="uplink", decoded={"a": 1})
    )
    assert uplink.data == b"\x02\x10"
