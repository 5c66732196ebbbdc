"""A plot without its hardware: what is simulated is recorded by the real service."""

import itertools
import os
import signal
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from tests.daemon.commands.calling import until
from tests.programs import require
from tests.stories.station import Station, json_node, json_node_facts

from edaphon.commands.simulate import BadOrder, Places, _home, order, simulated_tables, toml_text
from edaphon.commands.simulate.plot import SimulatedPlot, lines_of, senders_of, wave
from edaphon.config import read_config
from edaphon.facts import Knowledge
from edaphon.service.process import running
from edaphon.toml_input.lines import read_document
from edaphon_drivers.ascii.engine import decode_stream
from edaphon_drivers.modbus.table import plan_of
from edaphon_drivers.readings import Turn
from edaphon_drivers.registry import engine
from edaphon_drivers.sheets import load_sheet, model_names
from edaphon_drivers.simulators.station import Cell, Wave, nested

HEAD = '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "/nowhere"\n'
LINES = (
    '[bus.sdi12]\nkind = "sdi12"\nport = "/dev/ttyUSB0"\n'
    '[bus.rs485]\nkind = "serial"\nport = "/dev/ttyUSB1"\nanswer_s = 0.3\n'
    '[bus.w1]\nkind = "w1"\nport = "/sys/bus/w1/devices"\n'
    '[bus.gas]\nkind = "stream"\nport = "/dev/ttyUSB2"\n'
    '[supply.relay]\nfile = "/sys/class/leds/relay/brightness"\nwarm_up = "10ms"\n'
    '[broker.ttn]\nhost = "eu1.example.org"\ntls = true\nport = 8883\n'
    'topics = ["v3/+/devices/+/up"]\nenvelope = "tts-v3"\n'
    '[broker.local]\nhost = "192.0.2.1"\ntopics = ["plot/#"]\n'
)
UPLINKS = (
    '[[source]]\nbroker = "ttn"\ndev_eui = "A84041B2C1D5E6F7"\nmodel = "dragino.lse01-1.1.4"\n'
    'expect = "1s"\n'
)
SINK = '[[sink]]\nname = "real"\nkind = "jsonl"\nfolder = "/nowhere"\n'


def asked(bus: str, address: str, model: str, more: str = "") -> str:
    return (
        f'[[source]]\nbus = "{bus}"\naddress = "{address}"\nmodel = "{model}"\n'
        f'interval = "1s"\n{more}'
    )


SOURCES = (
    asked("sdi12", "a", "meter.teros12", 'supply = "relay"\n')
    + asked("rs485", "3", "truebner.smt100")
    + asked("rs485", "4", "truebner.smt100")
    + asked("w1", "28-0316a2795cff", "maxim.ds18b20")
    + '[[source]]\nbus = "gas"\nmodel = "licor.li-850"\nexpect = "1s"\n'
)
PATHS = {
    "sdi12/a+relay": "soil_temperature",
    "rs485/3": "soil_temperature",
    "w1/28-0316a2795cff": "temperature",
    "ttn/a84041b2c1d5e6f7": "soil_temperature",
}


def channels() -> str:
    """A channel for one number of each source; the probe's serial number is known."""
    facts = '[[plot]]\nid = "P"\n[[sensor]]\nid = "T12-0042"\nmodel = "meter.teros12"\n'
    for n, (path, output) in enumerate(PATHS.items()):
        name = (
            next(iter(load_sheet("maxim.ds18b20").outputs)) if output == "temperature" else output
        )
        sensor = 'sensor = "T12-0042"\n' if path.startswith("sdi12") else ""
        facts += (
            f'[[channel]]\nid = "c{n}"\nplot = "P"\nquantity = "soil_temperature"\n'
            f'unit = "degC"\nreplicate = {n + 1}\n[[deployment]]\nid = "d{n}"\nchannel = "c{n}"\n'
            f'source = "{path}"\noutput = "{name}"\n{sensor}'
        )
    return facts + json_node_facts("local", "plot/n1", "n1")


@contextmanager
def simulating(station: Station, folder: Path, *words: str):
    """The command as a process; its lines on stdin are orders."""
    path = os.pathsep.join([str(require("mosquitto", "mosquitto").parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [sys.executable, "-m", "edaphon", "simulate", str(station.file), "--folder", str(folder)]
        + list(words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PATH": path},
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
        assert "Traceback" not in rest
        assert process.returncode == 0, rest


def read_until(process, start: str) -> str:
    """The line that begins so; fails at the end of the output."""
    for line in process.stdout:
        if line.startswith(start):
            return line
    raise AssertionError(f"nothing began with {start!r}")


def test_a_whole_plot_is_simulated_and_recorded_with_faults_on_demand(tmp_path: Path):
    tables = [LINES, SOURCES, UPLINKS, json_node("local", "plot/n1"), SINK]
    station = Station(tmp_path / "real", tables, [channels()])
    home = tmp_path / "plot"
    with simulating(station, home, "--fault", "rs485/4=silent") as process:
        assert "rs485/4: silent until" in read_until(process, "rs485/4")
        assert "sdi12/a+relay" in read_until(process, "simulated:")
        assert "licor.li-850 talks by itself" in read_until(process, "not simulated: gas/0")
        assert str(home / "edaphon.toml") in read_until(process, "record it:")
        with running(home / "edaphon.toml") as service:
            latest = {f"c{n}": path for n, path in enumerate(PATHS)} | {"n1-temp": "node"}
            until(lambda: all(service.series.latest(c) is not None for c in latest), 40)
            for channel in latest:
                assert 5 < service.series.latest(channel).value[0] < 25, channel
                until(lambda: service.deriver.state.serials.get("sdi12/a+relay") == "T12-0042")
            accounts = service.sources.samplers["rs485"].accounts
            until(lambda: accounts["rs485/4"].gap is not None)
            process.stdin.write("rs485/4 ok\nnonsense\nsdi12 unplug\nsdi12/a+relay garbled 2\n")
            process.stdin.flush()
            assert read_until(process, "sdi12/a+relay").strip().endswith("garbled, 2 times")
            until(lambda: accounts["rs485/4"].gap is None)
            probes = service.sources.samplers["sdi12"].accounts
            until(lambda: probes["sdi12/a+relay"].gap is not None)
            assert service.deriver.state.counts.dead == 0
            assert not service.sinks
    assert not (station.storage / "journal").exists()
    text = (home / "edaphon.toml").read_text("utf-8")
    assert 'file = "/dev/null"' in text  # nothing real is switched


def configuration(text: str):
    document = read_document("edaphon.toml", HEAD + text)
    config, config_errors = read_config(document)
    assert config is not None, config_errors
    return document, config


def test_no_real_thing_is_left_in_the_simulated_configuration(tmp_path: Path):
    files = '[[source]]\nname = "chamber"\nfile = "/data/li8100/*.81x"\nmodel = "licor.li8100"\n'
    switch = '[bus.sdi12.multiplexer]\nfile = "/run/mux"\nports = { north = "0" }\n'
    table = {
        **tomllib.loads(HEAD + LINES + switch + SOURCES + UPLINKS + files + SINK),
    }
    table["broker"]["ttn"] |= {"username": "u", "password": {"env": "KEY"}}
    brokers = {name: {"host": "127.0.0.1", "port": 1, "topics": ["t"]} for name in table["broker"]}
    found = simulated_tables(table, Places(tmp_path, {}, brokers))
    text = toml_text(found)
    places = ("/dev/serial", "/dev/tty", "/sys/", "/run/", "/data/li", "/nowhere")
    for real in (*places, "example.org", "KEY", "192.0"):
        assert real not in text, real
    assert tomllib.loads(text) == found
    assert found["broker"]["ttn"]["envelope"] == "tts-v3"
    kept = simulated_tables(table, Places(tmp_path))["broker"]["ttn"]
    assert (kept["host"], kept["client_id"]) == ("eu1.example.org", "edaphon-simulated-ttn")


def test_a_simulated_line_has_a_format_that_its_port_can_be_opened_with_again(tmp_path: Path):
    """A pseudo-terminal has no parity: the second start of `edaphon run` was refused the port."""
    line = '[bus.r]\nkind = "serial"\nport = "/dev/ttyUSB1"\nformat = "8E1"\n'
    found = simulated_tables(tomllib.loads(HEAD + line), Places(tmp_path))
    assert found["bus"]["r"]["format"] == "8N1"


def test_a_simulated_plot_alerts_nobody_and_is_no_sign_of_life_of_the_real_one(tmp_path: Path):
    inbox = tmp_path / "facts"
    inbox.mkdir()
    (inbox / "plot.toml").write_text('[[plot]]\nid = "P"\n')
    alerts = (
        '[alerts]\nheartbeat_url = "https://watch.example.org/x"\nheartbeat_broker = "ttn"\n'
        'heartbeat_topic = "edaphon/l/alive"\nweekly = false\n'
    )
    notify = '[[notify]]\nname = "tech"\nkind = "webhook"\nurl = "https://hook.example.org"\n'
    facts = f'[facts]\ninbox = "{inbox}"\n'
    table = tomllib.loads(HEAD + facts + LINES + alerts + notify + SINK)
    found = tomllib.loads(toml_text(simulated_tables(table, Places(tmp_path / "home"))))
    assert "notify" not in found
    assert found["alerts"] == {"weekly": False}
    copy = Path(found["facts"]["inbox"])
    assert copy.is_relative_to(tmp_path / "home")
    assert (copy / "plot.toml").read_text() == (inbox / "plot.toml").read_text()
    (copy / "mine.toml").write_text("")
    simulated_tables(table, Places(tmp_path / "home"))
    assert (copy / "mine.toml").exists()
    assert [path.name for path in inbox.iterdir()] == ["plot.toml"]


def test_the_start_names_the_files_that_a_source_follows(tmp_path: Path):
    files = (
        '[[source]]\nname = "csv"\nfile = "/data/csv/*.dat"\nmodel = "licor.li-8100a"\n'
        'settings = { utc_offset = "+01:00" }\n'
    )
    document, _ = configuration(files)
    plot = plot_of(files, tmp_path)
    plot.stop()
    (source,) = simulated_tables(document.table, Places(tmp_path))["source"]
    assert source["file"] == str(tmp_path / "files" / "csv" / "*.dat")
    assert plot.not_simulated["file/csv"].endswith(source["file"])
    assert Path(source["file"]).parent.is_dir()


def test_what_a_simulated_plot_lacks_is_printed_at_its_start(tmp_path: Path):
    notify = '[[notify]]\nname = "tech"\nkind = "webhook"\nurl = "https://hook.example.org"\n'
    alerts = '[alerts]\nheartbeat_url = "https://watch.example.org/x"\n'
    inbox = tmp_path / "facts"
    inbox.mkdir()
    file = tmp_path / "edaphon.toml"
    file.write_text(f'{HEAD}[facts]\ninbox = "{inbox}"\n{alerts}{notify}{SINK}')
    program = [sys.executable, "-m", "edaphon", "simulate", str(file)]
    process = subprocess.Popen(
        [*program, "--folder", str(tmp_path / "home")], stdout=subprocess.PIPE, text=True
    )
    try:
        lines = iter(process.stdout.readline, "")
        stated = "".join(itertools.takewhile(lambda line: not line.startswith("record it"), lines))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
    assert "the sinks are left out" in stated
    assert "[[notify]]) are left out" in stated
    assert "heartbeat) is left out" in stated
    assert f"the inbox is a copy: {tmp_path / 'home' / 'inbox'}" in stated


@pytest.mark.parametrize("name", ["a file/plot", "file/plot"])
def test_a_folder_that_cannot_be_used_is_shown(tmp_path: Path, name: str, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(typer.Exit) as ended:
        _home(tmp_path / name)
    assert ended.value.exit_code == 2
    assert str(tmp_path / name) in capsys.readouterr().err


def test_tables_written_as_toml_are_read_back_the_same():
    text = (
        'x = { "a b" = 1, c = [1, 2.5, true, "\\u001b\\"\\\\"] }\n'
        "[one]\nfrom = 2026-04-01T12:00:00-07:00\n[two.three]\nd = 2026-04-01\n"
        "[[four]]\n[[four.five]]\ne = -inf\n[[four]]\nf = []\n"
    )
    table = {"top": tomllib.loads(text)} | {
        k: v for k, v in tomllib.loads(text).items() if k != "x"
    }
    assert tomllib.loads(toml_text(table)) == table


def plot_of(text: str, folder: Path) -> SimulatedPlot:
    return lines_of(configuration(text)[1], Knowledge(), folder)


def test_orders_that_cannot_be_carried_out_say_what_would_be_right(tmp_path: Path):
    senders = {s.path: s for s in senders_of(configuration(LINES + UPLINKS)[1])[0]}
    plot = plot_of(LINES + SOURCES, tmp_path)
    try:
        for wrong in ("sdi12/b silent", "rs485/3 on fire", "rs485/3 abort", "gas unplug", "w1"):
            with pytest.raises(BadOrder, match="expected"):
                order(wrong, plot, senders)
        with pytest.raises(BadOrder, match="expected one of silent, cut"):
            order("ttn/a84041b2c1d5e6f7 garbled", plot, senders)
        order("ttn/a84041b2c1d5e6f7 cut 1", plot, senders)
        assert senders["ttn/a84041b2c1d5e6f7"].spoilt(b"abcd") == b"ab"
        assert senders["ttn/a84041b2c1d5e6f7"].spoilt(b"abcd") == b"abcd"
        assert "garbled" in order("help", plot, senders)
        assert order("w1 unplug", plot, senders) == "w1: unplugged"
        assert not (tmp_path / "w1").exists()
        order("w1 replug", plot, senders)
        order("w1/28-0316a2795cff power on", plot, senders)
        plot.show()
        assert "t=85000" in (tmp_path / "w1" / "28-0316a2795cff" / "w1_slave").read_text()
    finally:
        plot.stop()


MODBUS = [name for name in model_names() if load_sheet(name).engine == "modbus"]


@pytest.mark.parametrize("model", MODBUS)
def test_every_modbus_sheet_is_simulated_with_numbers_that_decode(model: str, tmp_path: Path):
    text = '[bus.m]\nkind = "serial"\nport = "/dev/m"\n' + asked("m", "7", model)
    plot = plot_of(text, tmp_path)
    plot.stop()
    assert plot.not_simulated == {}
    sheet = load_sheet(model)
    unit = plot.instruments["m/7"]
    turns: list[Turn] = []
    for read in plan_of(sheet).reads:
        turns += [Turn(0, True, crc(7, read.pdu)), Turn(0, False, crc(7, unit.answer(read.pdu)))]
    readings = engine("modbus").decode_exchange(turns, sheet)
    assert {r.output for r in readings} == set(sheet.outputs)
    assert [r for r in readings if r.number is None] == []
    for reading in readings:
        output = sheet.outputs[reading.output]
        assert output.lowest is None or reading.number >= output.lowest
        assert output.highest is None or reading.number <= output.highest


def crc(unit: int, pdu: bytes) -> bytes:
    from edaphon_drivers.simulators.modbus import rtu

    return rtu(unit, pdu)


def test_senders_hurry_at_first_and_then_keep_their_pace():
    node = json_node("local", "plot/n1").replace("time =", 'expect = "20min"\ntime =')
    (sender,), _ = senders_of(configuration(LINES + node)[1])
    assert (sender.topic, sender.wait_s) == ("plot/n1", 2.0)
    sender.n = 30
    assert sender.wait_s == 1200.0


def test_every_lorawan_model_with_a_simulated_device_sends_frames(tmp_path: Path):
    from edaphon_drivers import lorawan
    from edaphon_drivers.simulators.lorawan import SIMULATED

    models = sorted(SIMULATED & set(model_names()))
    text = LINES + "".join(
        f'[[source]]\nbroker = "ttn"\ndev_eui = "A84041B2C1D5{n:04X}"\nmodel = "{model}"\n'
        for n, model in enumerate(models)
    )
    senders, why = senders_of(configuration(text)[1])
    assert why == {}
    for model, sender in zip(models, senders, strict=True):
        uplink = lorawan.read_envelope("tts-v3", sender.topic, sender.say(1))
        assert uplink is not None
        readings = lorawan.decode_uplink(uplink.data, uplink.f_port, load_sheet(model))
        assert readings, model


def test_a_gas_analyser_that_talks_by_itself_says_lines_that_decode(tmp_path: Path):
    text = '[bus.gas]\nkind = "stream"\nport = "/dev/gas"\n'
    source = '[[source]]\nbus = "gas"\nmodel = "licor.li-7810"\nexpect = "1s"\n'
    plot = plot_of(text + source, tmp_path)
    try:
        assert plot.buses == {"gas": {"port": str(tmp_path / "gas")}}
        line = next(plot.instruments["gas/0"].lines)
        with pytest.raises(BadOrder, match="how often"):
            order("gas/0 silent", plot, {})
        assert order("gas/0 silent 2", plot, {}) == "gas/0: silent, 2 times"
    finally:
        plot.stop()
    sheet = load_sheet("licor.li-7810")
    found = {r.output: r.number for r in decode_stream([Turn(0, False, line)], sheet)}
    assert 410 < found["co2"] < 490
    assert 1940 < found["ch4"] < 2060


def test_waves_stay_between_their_limits_and_off_failure_codes():
    for name in model_names():
        for output in load_sheet(name).outputs.values():
            shown = wave("x/1", output)
            for time_s in range(0, 90_000, 7_001):
                number = shown.at(time_s)
                assert number not in output.failure
                slack = output.resolution or 1e-3 * max(1.0, abs(number))
                assert output.lowest is None or number >= output.lowest - slack
                assert output.highest is None or number <= output.highest + slack


def test_a_cell_turns_its_words_and_bytes_as_ordered():
    def number() -> float:
        return 12.5

    assert Cell(0, number, "f32").words() == [0x4148, 0]
    assert Cell(0, number, "f32", word_order="little").words() == [0, 0x4148]
    assert Cell(0, number, "f32", byte_order="little").words() == [0x4841, 0]
    assert Cell(0, number, "u16", plus=-10000, divide=100).words() == [11250]
    assert Cell(0, lambda: -1e9, "i16").words() == [0x8000]
    assert Wave("n", 1.0, 2.0, 0.5).at(0.0) in {1.0, 1.5, 2.0}
    assert nested({"a.0.b": 1, "a.1.b": 2, "c": 3}) == {"a": [{"b": 1}, {"b": 2}], "c": 3}
