"""`edaphon check` and `edaphon init` as a person calls them."""

from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner

from edaphon.commands.check import check, init
from edaphon.config import JsonSource, LorawanSource, ScheduledSource, read_config
from edaphon.service.check import examine
from edaphon.toml_input.lines import read_document

app = typer.Typer()
app.command("check")(check)
app.command("init")(init)
CALL = CliRunner()

BOX = '[logger]\nid = "l1"\n[site]\nid = "whs"\n[storage]\nfolder = "/var/lib/edaphon"\n'
CHANNEL = '[[channel]]\nid = "c"\nquantity = "soil_temperature"\nunit = "degC"\n'
MARK = '[[mark]]\nid = "m"\nchannels = ["c"]\ncause = "visit"\nflag = 3\nwho = "K. Berg"\n'


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_the_example_of_init_passes_check(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    assert CALL.invoke(app, ["init", str(file), "--site", "hy01"]).exit_code == 0
    done = CALL.invoke(app, ["check", str(file)])
    assert (done.exit_code, done.stdout[:5]) == (0, "good:")
    config = examine([file]).config
    assert config is not None
    assert config.site.id == "hy01"


def test_init_leaves_a_file_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "edaphon.toml", "mine")
    done = CALL.invoke(app, ["init", str(file)])
    assert done.exit_code == 1
    assert "is there already" in done.stderr
    assert file.read_text("utf-8") == "mine"


def test_a_mistake_is_exit_code_3_with_its_place(tmp_path: Path) -> None:
    file = write(tmp_path / "edaphon.toml", BOX + "[clock]\ntrsut = 1\n")
    done = CALL.invoke(app, ["check", str(file)])
    assert done.exit_code == 3
    assert f"{file}:8  clock.trsut: unknown key; did you mean trust?" in done.stderr
    assert "1 error; nothing was changed." in done.stderr


def test_json_tells_the_same(tmp_path: Path) -> None:
    file = write(tmp_path / "edaphon.toml", BOX + "[clock]\ntrsut = 1\n")
    done = CALL.invoke(app, ["check", "--json", str(file)])
    reported = orjson.loads(done.stdout)
    assert (done.exit_code, reported["good"]) == (3, False)
    assert reported["complaints"][0] == {
        "file": str(file),
        "line": 8,
        "key": "clock.trsut",
        "came": "unknown key",
        "right": "did you mean trust?",
    }


def test_a_file_that_is_not_there_or_no_text_is_a_complaint(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'[[plot]]\nid = "M\xfcller"\n')
    found = examine([tmp_path / "absent.toml", tmp_path / "latin.toml"])
    assert [c.came for c in found.config_errors] == [
        "can't be read (No such file or directory)",
        "byte 16 is not UTF-8",
    ]


def test_facts_of_the_inbox_are_checked_with_the_configuration(tmp_path: Path) -> None:
    inbox = tmp_path / "facts"
    inbox.mkdir()
    write(inbox / "2.toml", MARK)
    write(inbox / "notes.txt", "not a fact")
    file = write(tmp_path / "edaphon.toml", BOX + f'[facts]\ninbox = "{inbox}"\n')
    found = examine([file])
    assert [Path(c.file).name for c in found.config_errors] == ["2.toml"]
    write(inbox / "1.toml", CHANNEL)
    assert examine([file]).config_errors == ()
    assert [row.fact.id for row in examine([file]).rows] == ["c", "m"]


def test_facts_alone_are_checked_for_what_they_say_themselves(tmp_path: Path) -> None:
    file = write(tmp_path / "marks.toml", MARK)
    done = CALL.invoke(app, ["check", str(file)])
    assert done.exit_code == 0
    assert "Give edaphon.toml too" in done.stdout
    assert examine([write(tmp_path / "x.toml", MARK.replace("3", "2"))]).config_errors


def test_a_fact_file_holds_nothing_but_facts(tmp_path: Path) -> None:
    file = write(tmp_path / "facts.toml", CHANNEL + "[qc]\nx = 1\n")
    assert [c.came for c in examine([file]).config_errors] == ["unknown table"]


def test_a_second_configuration_is_one_too_many(tmp_path: Path) -> None:
    files = [write(tmp_path / name, BOX) for name in ("a.toml", "b.toml")]
    assert "a second configuration" in examine(files).config_errors[0].came


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (BOX + CHANNEL).replace("\n", "\r\n").encode())
    assert examine([file]).config_errors == ()


SOURCES = """
[bus.sdi12]
kind = "sdi12"
port = "tcp://127.0.0.1:4001"
[broker.ttn]
host = "h"
topics = ["v3/+/devices/+/up"]
envelope = "chirpstack-v4"
[broker.local]
host = "h"
topics = ["plot/#"]
[[source]]
bus = "sdi12"
address = "a"
model = "meter.teros12"
interval = "10min"
[[source]]
broker = "ttn"
dev_eui = "A8-40-41-B2-C1-D5-E6-F7"
model = "decentlab.dl-trs12"
expect = "20min"
[[source]]
broker = "local"
topic = "plot/node1"
time = { path = "t", format = "epoch_s" }
[[source.field]]
name = "vwc"
path = "soil.0.vwc"
quantity = "volumetric_water_content"
unit = "%"
failure = [-127]
[[sink]]
name = "influx"
kind = "influxdb"
url = "http://127.0.0.1:8086"
"""


def test_each_way_to_be_a_source_has_its_path_and_outputs() -> None:
    config, config_errors = read_config(read_document("edaphon.toml", BOX + SOURCES))
    assert config_errors == []
    assert config is not None
    asked, received, json = config.sources
    assert isinstance(asked, ScheduledSource)
    assert isinstance(received, LorawanSource)
    assert isinstance(json, JsonSource)
    paths = ["sdi12/a", "ttn/a84041b2c1d5e6f7", "local/plot/node1"]
    assert [source.path for source in config.sources] == paths == list(config.outputs())
    assert (asked.interval_ns, received.expect_ns) == (600 * 10**9, 1200 * 10**9)
    assert config.outputs()[json.path]["vwc"].unit == "%"
    assert json.json_fields().fields[0].failure == (-127.0,)
    assert config.sinks[0].settings == {"url": "http://127.0.0.1:8086"}
    assert (config.web.host, config.web.port, config.site.utc_offset_s) == ("127.0.0.1", 8040, 0)


def test_a_configuration_is_frozen() -> None:
    config, _ = read_config(read_document("edaphon.toml", BOX))
    assert config is not None
    with pytest.raises(ValueError, match="frozen"):
        config.logger.id = "other"  # type: ignore[misc]
