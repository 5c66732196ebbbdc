"""The tree of nodes as messages ask it: what hangs below, whose manual counts, who can be asked."""

from tests.alert_messages import NODES, node

from edaphon.alerts.language import Wiring
from edaphon.alerts.model import Node, NodeKind
from edaphon_drivers.sheets import Sheets

BUS = node(NodeKind.BUS, "one", label="one (/dev/ttyUSB0)")


def wiring(*nodes: Node) -> Wiring:
    return Wiring({one.id: one for one in (BUS, *nodes)}, Sheets())


def source(name: str, model: str) -> Node:
    return node(NodeKind.SOURCE, name, BUS.id, model=model)


def test_a_tree_whose_parents_go_in_a_circle_ends() -> None:
    a, b = node(NodeKind.BUS, "a", "bus b"), node(NodeKind.BUS, "b", "bus a")
    ring = wiring(a, b)
    assert ring.channels({"bus a"}) == []
    assert ring.source("bus a") is None


def test_of_a_bus_the_most_needy_instrument_says_the_least_supply_and_none_its_wires() -> None:
    bus = wiring(source("one/a", "meter.teros12"), source("one/b", "campbell.cs655"))
    assert bus.sheet_facts(BUS.id) == {"least_v": 6.0}
    own = bus.sheet_facts("source one/a")
    assert own == {
        "least_v": 4.0,
        "supply_wire": "brown",
        "data_wire": "orange",
        "ground_wire": "bare",
    }


def test_a_model_without_a_sheet_says_nothing_and_stops_nothing() -> None:
    one = source("one/a", "acme.gone")._replace(label="one/a (acme.gone)")
    unknown = wiring(one)
    assert unknown.sheet_facts(one.id) == {}
    assert unknown.variants(one.id) == ("source", "")
    assert unknown.label(one) == "one/a (acme.gone)"


def test_an_instrument_is_named_as_its_maker_names_it() -> None:
    one = source("one/a", "meter.teros12")._replace(label="T12-1 (meter.teros12)")
    assert wiring(one).label(one) == "T12-1 (METER TEROS 12)"


def test_the_one_to_ask_is_the_own_source_or_the_only_one() -> None:
    full = Wiring(NODES, Sheets())
    for cause in ("sensor T12-00041805", "channel P1-vwc-5", "source sdi12/a"):
        found = full.source(cause)
        assert found is not None
        assert found.name == "sdi12/a"
    assert full.source("bus sdi12") is None
    only = full.source("bus w1")
    assert only is not None
    assert only.name == "w1/28-0316a2795cff"


def test_texts_differ_by_kind_and_protocol_the_better_first() -> None:
    full = Wiring(NODES, Sheets())
    expected = {
        "bus sdi12": ("bus", "sdi12"),
        "bus moxa": ("bus", "tcp", ""),
        "bus w1": ("w1", "bus"),
        "sensor T12-00041805": ("sensor", "sdi12"),
        "source file/chambers": ("source", "file"),
        "broker chirpstack": ("broker", "lorawan"),
        "supply battery": ("supply", "sdi12"),
        "sensor gone": ("sensor", ""),
    }
    assert {cause: full.variants(cause) for cause in expected} == expected


def test_a_device_with_its_own_battery_is_no_supply_behind_a_relay() -> None:
    battery = node(NodeKind.SUPPLY, "d-battery")
    device = node(NodeKind.SOURCE, "b/d", battery.id, model="dragino.lse01-1.2.1")
    assert wiring(battery, device).variants(battery.id) == ("lorawan", "supply")


def test_a_message_of_a_broker_without_a_model_comes_from_a_gateway_at_home() -> None:
    broker = node(NodeKind.BROKER, "home")
    device = node(NodeKind.SOURCE, "home/door", broker.id)
    assert wiring(broker, device).variants(device.id) == ("source", "message")
