"""What hangs on what: the tree of a station by its configuration and facts."""

from collections.abc import Iterator

import pytest

from edaphon.alerts.model import LOGGER, Node, NodeKind
from edaphon.config import Configuration, read_config
from edaphon.facts import Knowledge, read_facts
from edaphon.model import EntryId
from edaphon.service.station_tree import least_v, sheets_least_v, tree
from edaphon.toml_input.lines import read_document

HEAD = '[logger]\nid = "box"\n[site]\nid = "whs"\n[storage]\nfolder = "/var/lib/edaphon"\n'
LINE = (
    '[bus.line]\nkind = "sdi12"\nport = "/dev/serial/by-id/usb-FTDI_A10K2XYZ-if00-port0"\n'
    '[bus.line.multiplexer]\nfile = "/run/mux"\nports = { north = "0", south = "1" }\n'
    '[supply.relay]\nfile = "/run/relay"\n'
)
FILE = (
    '[[source]]\nname = "cr1000"\nfile = "/data/cr1000.dat"\nmodel = "campbell.toa5"\n'
    'settings = { utc_offset = "+01:00" }\n'
)
LORA = (
    '[broker.ttn]\nhost = "eu1.cloud.thethings.network"\ntopics = ["v3/#"]\nenvelope = "tts-v3"\n'
    '[[source]]\nbroker = "ttn"\ndev_eui = "A84041B2C1D5E6F7"\nmodel = "dragino.lse01-1.1.4"\n'
)


def probe(address: str, more: str = "") -> str:
    return (
        f'[[source]]\nbus = "line"\naddress = "{address}"\nmodel = "meter.teros12"\n'
        f'interval = "10min"\n{more}'
    )


def channel(
    id: str,
    source: str,
    output: str,
    quantity: str = "soil_temperature",
    unit: str = "degC",
    sensor: str = "",
    more: str = "",
) -> str:
    serial = f'sensor = "{sensor}"\n' if sensor else ""
    return (
        f'[[channel]]\nid = "{id}"\nquantity = "{quantity}"\nunit = "{unit}"\n{more}'
        f'[[deployment]]\nid = "d-{id}"\nchannel = "{id}"\nsource = "{source}"\n'
        f'output = "{output}"\n{serial}'
    )


def station(*tables: str, facts: str = "", now_ns: int = 10**18) -> dict[str, Node]:
    return tree(*parts(*tables, facts=facts), now_ns)


def parts(*tables: str, facts: str = "") -> tuple[Configuration, Knowledge]:
    document = read_document("edaphon.toml", HEAD + "".join(tables) + facts)
    config, config_errors = read_config(document)
    assert config is not None, config_errors
    rows, wrong = read_facts(document, alone=False)
    assert not wrong
    known = Knowledge()
    for n, row in enumerate(rows, 1):
        known = known.learn(EntryId(1, n), row.fact)
    return config, known


def road(nodes: dict[str, Node], id: str) -> Iterator[str]:
    while id:
        yield id
        id = nodes[id].parent


def test_every_node_hangs_on_another_one_up_to_the_logger() -> None:
    facts = channel("t", "line/a@north+relay", "soil_temperature", sensor="T12-1")
    facts += channel("v", "file/cr1000", "battery_voltage", "battery_voltage", "V")
    more = 'branch = "north"\nsupply = "relay"\n'
    nodes = station(LINE, probe("a", more), FILE, LORA, facts=facts)
    for id in nodes:
        assert list(road(nodes, id))[-1] == LOGGER
    assert all(node.id == id for id, node in nodes.items())


def test_a_probe_hangs_on_branch_supply_and_bus_whose_label_has_the_identity_of_its_port() -> None:
    facts = channel("t", "line/a@north+relay", "soil_temperature", sensor="T12-1")
    facts += '[[sensor]]\nid = "T12-1"\nmodel = "meter.teros12"\n'
    nodes = station(LINE, probe("a", 'branch = "north"\nsupply = "relay"\n'), facts=facts)
    assert list(road(nodes, "channel t")) == [
        "channel t",
        "sensor T12-1",
        "source line/a@north+relay",
        "branch line/north",
        "supply relay",
        "bus line",
        LOGGER,
    ]
    assert nodes["bus line"].label == "line (/dev/serial/by-id/usb-FTDI_A10K2XYZ-if00-port0)"
    assert nodes["sensor T12-1"].label == "T12-1 (meter.teros12)"


def test_a_place_without_a_serial_number_is_a_node_of_its_own() -> None:
    place = 'plot = "P1"\ndepth_cm = {}\n'
    facts = '[[plot]]\nid = "P1"\n'
    for id, depth in (("a5", 5), ("b5", 5), ("a20", 20)):
        facts += channel(id, "file/cr1000", f"{id}_Avg", more=place.format(depth))
    nodes = station(FILE, facts=facts)
    assert nodes["channel a5"].parent == nodes["channel b5"].parent
    assert nodes["channel a5"].parent != nodes["channel a20"].parent
    sensor = nodes[nodes["channel a5"].parent]
    assert (sensor.parent, sensor.plot, sensor.depth_cm) == ("source file/cr1000", "P1", "5")
    source = nodes["source file/cr1000"]
    assert (source.plot, source.depth_cm) == ("P1", "")


def test_a_voltage_of_a_file_is_the_supply_of_all_that_comes_by_it() -> None:
    facts = channel("v", "file/cr1000", "battery_voltage", "battery_voltage", "V")
    nodes = station(FILE, facts=facts)
    assert nodes["source file/cr1000"].parent == "supply v"
    assert nodes["supply v"].parent == LOGGER


def test_a_voltage_on_a_line_is_the_supply_of_the_whole_bus() -> None:
    facts = channel("v", "line/9", "v", "supply_voltage", "V")
    nodes = station(LINE, probe("a"), probe("9"), facts=facts)
    assert list(road(nodes, "source line/a")) == ["source line/a", "bus line", "supply v", LOGGER]


def test_the_battery_of_a_device_over_radio_is_its_own_and_it_hangs_on_its_only_gateway() -> None:
    path = "ttn/a84041b2c1d5e6f7"
    facts = channel("v", path, "battery_voltage", "battery_voltage", "V")
    config, known = parts(LORA, facts=facts)
    assert list(road(tree(config, known, 10**18), f"source {path}")) == [
        f"source {path}",
        "supply v",
        "broker ttn",
        LOGGER,
    ]
    nodes = tree(config, known, 10**18, {path: "plot-gateway"})
    assert list(road(nodes, "supply v")) == [
        "supply v",
        "gateway plot-gateway",
        "broker ttn",
        LOGGER,
    ]


def test_a_sensor_that_says_so_hangs_on_the_bus_of_the_other_logger() -> None:
    facts = '[[sensor]]\nid = "T12-1"\nmodel = "meter.teros12"\non = "north"\n'
    facts += channel("t", "file/cr1000", "panel_temperature", sensor="T12-1")
    nodes = station(FILE, facts=facts)
    assert list(road(nodes, "channel t")) == [
        "channel t",
        "sensor T12-1",
        "bus north at file/cr1000",
        "source file/cr1000",
        LOGGER,
    ]


def test_only_the_deployment_in_force_counts_and_the_primary_one_of_two() -> None:
    facts = channel("t", "line/a", "soil_temperature", sensor="old")
    facts += 'to = "2026-01-01T00:00:00Z"\n'
    facts += (
        '[[deployment]]\nid = "second"\nchannel = "t"\nsource = "line/b"\n'
        'output = "soil_temperature"\nsensor = "second"\nprimary = false\n'
        '[[deployment]]\nid = "new"\nchannel = "t"\nsource = "line/a"\n'
        'output = "soil_temperature"\nsensor = "new"\nfrom = "2026-01-01T00:00:00Z"\n'
    )
    config, known = parts(LINE, probe("a"), probe("b"), facts=facts)
    year = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
    assert tree(config, known, year - 1)["channel t"].parent == "sensor old"
    assert tree(config, known, year)["channel t"].parent == "sensor new"


def test_sinks_of_one_server_hang_on_it_and_its_label_has_no_log_in_data() -> None:
    sink = (
        '[[sink]]\nname = "{}"\nkind = "influxdb"\nurl = "https://influx.example.org"\n'
        'version = 1\ndatabase = "soil"\n'
    )
    nodes = station(sink.format("a"), sink.format("b"))
    assert {nodes[id].parent for id in ("sink a", "sink b")} == {"server influx.example.org:443"}


@pytest.mark.parametrize(
    ("highest_v", "least"),
    [(13.8, 11.0), (12.1, 11.0), (27.0, 22.0), (3.6, 2.5), (3.0, None), (5.1, None), (4.1, None)],
)
def test_what_a_battery_must_give_follows_from_what_it_is(
    highest_v: float, least: float | None
) -> None:
    _, known = parts(FILE, facts=channel("v", "file/cr1000", "battery_voltage", "voltage", "V"))
    assert least_v(known.channels["v"], highest_v) == least


def test_what_a_channel_s_checks_say_stands_over_the_kind_of_battery() -> None:
    checks = "checks = { range = { fail = [10.5, 16.0], suspect = [11.6, 15.0] } }\n"
    facts = channel("v", "file/cr1000", "battery_voltage", "battery_voltage", "V", more=checks)
    _, known = parts(FILE, facts=facts)
    assert least_v(known.channels["v"], 13.8) == 11.6


def test_what_hangs_on_a_supply_may_need_more_than_its_battery_must_give() -> None:
    _, known = parts(FILE, facts=channel("v", "file/cr1000", "battery_voltage", "voltage", "V"))
    fact = known.channels["v"]
    assert least_v(fact, 13.8, [4.0]) == 11.0
    assert least_v(fact, 13.8, [11.5]) == 11.5
    assert least_v(fact, 3.0, [2.1]) == 2.1
    assert least_v(fact, 3.6, [4.0]) == 2.5  # a booster stands between


def test_the_sheets_of_all_that_hangs_on_a_supply_say_what_it_must_give() -> None:
    facts = channel("v", "line/9", "v", "supply_voltage", "V")
    config, known = parts(LINE, probe("a"), probe("9"), LORA, facts=facts)
    nodes = tree(config, known, 10**18)
    assert sheets_least_v("supply v", nodes, config.sheets) == [4.0]
    assert sheets_least_v("broker ttn", nodes, config.sheets) == []


def test_kinds_of_the_machine_itself_are_there() -> None:
    kinds = {node.kind for node in station().values()}
    assert {NodeKind.DISK, NodeKind.CLOCK, NodeKind.JOURNAL, NodeKind.SERVICE} < kinds
