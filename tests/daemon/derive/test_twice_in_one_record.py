"""One record that gives an output twice for one time: the first stands, each other is counted."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.daemon.derive.lives import T0, EnteredFacts, Life, MemoryJournal
from tests.daemon.derive.test_pipeline import fact

from edaphon.config import read_config
from edaphon.derive import decode as sources
from edaphon.journal import Kind
from edaphon.series import Contested
from edaphon.toml_input.lines import read_document
from edaphon_drivers.readings import Turn, pack_exchange, pack_message
from edaphon_drivers.sdi12 import engine as sdi12
from edaphon_drivers.simulators.lorawan import tts_v3

HEAD = '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "/nowhere"\n'
JSON = (
    HEAD
    + """[broker.local]
host = "h"
topics = ["#"]
envelope = "json"
[[source]]
broker = "local"
topic = "a"
[[source.field]]
name = "x"
path = "x"
quantity = "air_temperature"
unit = "degC"
"""
)
SDI12 = (
    HEAD
    + """[bus.sdi12]
kind = "sdi12"
port = "/dev/null"
[[source]]
bus = "sdi12"
address = "a"
model = "meter.teros12"
interval = "10min"
"""
)
EUI = "24E124136B123456"
LORAWAN = (
    HEAD
    + f"""[broker.ttn]
host = "h"
topics = ["#"]
envelope = "tts-v3"
[[source]]
broker = "ttn"
dev_eui = "{EUI}"
model = "milesight.em300-th"
"""
)


def life_of(folder: Path, text: str, fed: dict[str, str], quantity: str, *records: Any) -> Life:
    plot = EnteredFacts()
    config, config_errors = read_config(read_document("edaphon.toml", text))
    assert config is not None, config_errors
    plot.config = config
    table = {"file": "edaphon.toml", "sha256": "", "text": text}
    plot.add(Kind.CONFIGURATION, "", orjson.dumps(table))
    plot.learn(fact("channel", "x", quantity=quantity, unit="degC"))
    plot.learn(fact("deployment", "d", channel="x", **fed))
    plot.know_clock()
    for source, payload in records:
        plot.minute += 10
        plot.add(Kind.RECORD, source, payload)
    journal = MemoryJournal(plot.entries)
    journal.shown = len(plot.entries)
    life = Life(folder, journal)
    life.settle()
    return life


def expect(life: Life, stands: list[float], conflicts: int, repeats: int) -> None:
    """Live, and derived again."""
    for _ in range(2):
        runs = life.series.read("x", 0, 2**62)
        assert [float(v) for run in runs for v in run.raw.tolist()] == stands
        counted = Contested(conflicts=conflicts, repeats=repeats)
        assert life.series.count_conflicts("x") == counted
        assert life.deriver.state.derived == {"x": len(stands) + conflicts + repeats}
        life.deriver.derive_all_again()
        life.settle()
    life.close()


def saying_more(decode: Any, at: int, *numbers: float) -> Any:
    """The readings of a decoder, and the output at a place once more for each of the numbers."""

    def decoded(*given: Any) -> Any:
        readings = decode(*given)
        return *readings, *(readings[at]._replace(number=n) for n in numbers)

    return decoded


def test_a_message_that_gives_one_output_twice(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sources, "decode_json", saying_more(sources.decode_json, 0, 9.5, 9.0))
    record = "local", pack_message("a", b'{"x": 9.0}', 1, False, False)
    fed = {"source": "local/a", "output": "x"}
    life = life_of(tmp_path, JSON, fed, "air_temperature", record)
    expect(life, [9.0], 1, 1)


def test_an_exchange_that_gives_one_output_twice(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sdi12, "decode_exchange", saying_more(sdi12.decode_exchange, 1, 22.5))
    words = [b"aM!", b"a0013\r\n", b"a\r\n", b"aD0!", b"a+1846.16+22.3+1\r\n"]
    exchange = tuple(Turn(n * 100, word.endswith(b"!"), word) for n, word in enumerate(words))
    fed = {"source": "sdi12/a", "output": "soil_temperature"}
    record = "sdi12/a", pack_exchange(exchange)
    life = life_of(tmp_path, SDI12, fed, "soil_temperature", record)
    expect(life, [22.3], 1, 0)


@pytest.mark.parametrize(("second", "counted"), [(27.2, (1, 0)), (27.0, (0, 1))])
def test_a_datalog_frame_whose_times_coincide(
    tmp_path: Path, second: float, counted: tuple[int, int]
) -> None:
    def logged(minute: int, celsius: float) -> bytes:
        epoch = (T0 // 10**9 + minute * 60).to_bytes(4, "little")
        return b"\x20\xce" + epoch + round(celsius * 10).to_bytes(2, "little") + b"\x64\0"

    frame = logged(-20, 26.0) + logged(-10, 27.0) + logged(-10, second)
    record = "ttn", pack_message(*tts_v3(EUI, frame, 85, 1, T0), 1, False, False)
    fed = {"source": f"ttn/{EUI.lower()}", "output": "air_temperature"}
    life = life_of(tmp_path, LORAWAN, fed, "air_temperature", record)
    expect(life, [26.0, 27.0], *counted)
