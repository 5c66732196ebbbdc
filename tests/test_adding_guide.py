"""What docs/adding.md shows works: each example passes check, and its sample gives its numbers."""

import base64
import json
import re
import runpy
import shlex
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.daemon.sinks.samples import CHANNELS, SWC, T0, run, withdrawal
from tests.documents import ROOT

from edaphon.commands import main
from edaphon.config import Configuration, HeardSource, ScheduledSource, Source
from edaphon.derive.decode import Sources
from edaphon.journal import Entry, Kind
from edaphon.service.check import examine
from edaphon.sinks.sink import Later
from edaphon_calibration.checks import prepare_check
from edaphon_calibration.curves import Curve
from edaphon_calibration.curves.shapes import curves_of
from edaphon_calibration.errors import Family, known_of
from edaphon_calibration.units import conversion
from edaphon_drivers import smart_home as message_keys
from edaphon_drivers.ascii import sheet as ascii_keys
from edaphon_drivers.files import sheet as file_keys
from edaphon_drivers.lorawan import codec_names
from edaphon_drivers.modbus import table as modbus_keys
from edaphon_drivers.readings import Piece, Turn, pack_exchange, pack_message, pack_piece
from edaphon_drivers.registry import engine, sheet_errors
from edaphon_drivers.sdi12 import parse as sdi12_keys
from edaphon_drivers.sheets import Output, Sheet, load_sheet, model_names, parse_sheet
from edaphon_drivers.talk import Asking, Expected, Timing, Transcript, play, read_transcript

PAGE = (ROOT / "docs" / "adding.md").read_text("utf-8")
BOX = '[logger]\nid = "l1"\n[site]\nid = "s1"\n[storage]\nfolder = "/var/lib/edaphon"\n'
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UPLINK = re.compile(r"port (\d+): ([0-9A-F]+)")


class Example(NamedTuple):
    """What stands below one mark of the page, up to the next mark or heading."""

    toml: str
    script: str
    proofs: tuple[str, ...]
    commands: tuple[str, ...]  # to decode the first proof's sample


def example(name: str) -> Example:
    text = re.split(r"^#+ |^<!-- example", PAGE.split(f"<!-- example: {name} -->\n")[1], flags=re.M)
    blocks = BLOCK.findall(text[0])
    reported = {kind: [body for k, body in blocks if k == kind] for kind in ("toml", "js", "")}
    commands = re.findall(r"^    edaphon (decode .*)$", text[0], re.MULTILINE)
    return Example(
        "\n".join(reported["toml"]), "".join(reported["js"]), tuple(reported[""]), tuple(commands)
    )


NAMES = re.findall(r"^<!-- example: (\w+) -->$", PAGE, re.MULTILINE)
WHOLE = [name for name in NAMES if name != "sheet"]  # that one is a sheet, no configuration


def configured(name: str, folder: Path) -> Configuration:
    file, reported = folder / "edaphon.toml", example(name)
    (folder / "acme.js").write_text(reported.script, "utf-8")
    box = "" if name == "smallest" else BOX
    file.write_text(box + reported.toml.replace("/etc/edaphon/codecs", str(folder)), "utf-8")
    found = examine([file])
    assert [str(config_error) for config_error in found.config_errors] == []
    assert found.config is not None
    return found.config


def transcript(proof: str) -> Transcript:
    """The expected readings, and the turns of a conversation."""
    return read_transcript("".join(re.findall(r"^[<>=] .*\n", proof, re.MULTILINE)))


def uplink(envelope: str, eui: str, port: int, data: bytes) -> dict[str, Any]:
    text = base64.b64encode(data).decode()
    if envelope == "tts-v3":
        settled = {"f_port": port, "frm_payload": text, "received_at": "2026-04-01T12:00:00Z"}
        return {"end_device_ids": {"dev_eui": eui}, "uplink_message": settled}
    device = {"devEui": eui}
    return {"deviceInfo": device, "fPort": port, "data": text, "time": "2026-04-01T12:00:00Z"}


def payload(source: Source, config: Configuration, proof: str) -> tuple[str, bytes]:
    """The place of an entry with the proof's sample, and its bytes."""
    if isinstance(source, ScheduledSource | HeardSource):
        turns = [Turn(n, t.sent, t.data) for n, t in enumerate(transcript(proof).turns)]
        return source.path, pack_exchange(turns)
    sample = re.sub(r"^= .*\n", "", proof, flags=re.MULTILINE)
    if "file" in vars(source):
        return source.path, pack_piece(Piece("/data/x", 0, b"", sample.encode()))
    named: str = vars(source)["broker"]
    if found := UPLINK.match(sample):
        eui = vars(source)["dev_eui"]
        message = uplink(
            config.brokers[named].envelope, eui, int(found[1]), bytes.fromhex(found[2])
        )
        topic = {"tts-v3": f"v3/a/devices/{eui}/up"}.get(
            config.brokers[named].envelope, f"application/1/device/{eui}/event/up"
        )
        return named, pack_message(topic, json.dumps(message).encode(), 1, False, False)
    topic, _, body = sample.partition(": ")
    return named, pack_message(topic, body.strip().encode(), 1, False, False)


@pytest.mark.parametrize("name", WHOLE)
def test_an_example_of_the_guide_passes_check_and_its_sample_gives_its_numbers(
    name: str, tmp_path: Path
) -> None:
    reported, config = example(name), configured(name, tmp_path)
    (source,) = config.sources
    codec = vars(source).get("codec_file")
    sources = Sources.of(config, {str(codec): reported.script})
    assert reported.proofs
    for proof in reported.proofs:
        place, data = payload(source, config, proof)
        decoded = sources.decode(Entry(Kind.RECORD, 0, 0, "boot", place, data))
        found = [Expected.of(reading) for reading in decoded.readings]
        assert found == list(transcript(proof).expected)
        assert found


@pytest.mark.parametrize("name", WHOLE)
def test_the_guides_decode_command_says_the_same(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    configured(name, tmp_path)
    reported = example(name)
    sample = re.sub(r"^= .*\n", "", reported.proofs[0], flags=re.MULTILINE)
    (tmp_path / "sample").write_text(re.sub(r"^\S+: (?={)", "", sample), "utf-8")
    monkeypatch.chdir(tmp_path)
    (command,) = reported.commands
    with suppress(SystemExit):
        main([*shlex.split(command), "--json"])
    stated, complained = capsysbinary.readouterr()
    assert complained == b""
    rows = [row for row in json.loads(stated) if "factory" not in row]
    found = [Expected(r["quantity"], r["value"], r["unit"], r["status"]) for r in rows]
    assert found == list(transcript(reported.proofs[0]).expected)


def test_decode_prints_what_the_guide_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    configured("smallest", tmp_path)
    monkeypatch.chdir(tmp_path)
    with suppress(SystemExit):
        main(shlex.split(example("smallest").commands[0]))
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert capsysbinary.readouterr() == (shown.encode(), b"")


def test_an_example_with_the_hints_for_the_missing_tables_pasted_before_it_passes_check(
    tmp_path: Path,
) -> None:
    file, text = tmp_path / "edaphon.toml", example("ascii").toml
    file.write_text(text, "utf-8")
    hints = [str(c).partition("at the top of the file: ")[2] for c in examine([file]).config_errors]
    file.write_text("\n".join([*hints, text]), "utf-8")
    assert len(hints) == 3
    assert examine([file]).config_errors == ()


@pytest.mark.parametrize("name", ["smallest", "ascii", "sdi12", "modbus"])
def test_an_asked_instrument_of_the_guide_is_asked_as_the_guide_shows(
    name: str, tmp_path: Path
) -> None:
    config = configured(name, tmp_path)
    (source,) = config.sources
    assert isinstance(source, ScheduledSource)
    sheet = config.sheet(source)
    for proof in example(name).proofs:
        asking = Asking(timing=Timing(tries=1))
        talk = engine(sheet.engine).measure(source.address, sheet, asking)
        assert play(talk, transcript(proof)).fault is None


def test_the_ascii_instrument_of_the_guide_takes_twenty_lines_at_most() -> None:
    sheet = BLOCK.findall(PAGE.split("<!-- example: ascii -->\n")[1])[0][1]
    assert "[model." in sheet
    assert len(sheet.splitlines()) <= 20


def test_the_sheet_for_contributors_is_the_owners_sheet() -> None:
    model = tomllib.loads(example("ascii").toml)["model"]["acme.x"]
    sheet = parse_sheet("acme.x", tomllib.loads(example("sheet").toml))
    assert list(sheet_errors(sheet)) == []
    assert sheet == parse_sheet("acme.x", {**model, "checked": "maker's document"})


def test_a_mean_of_the_guides_logger_begins_an_interval_before_its_end(tmp_path: Path) -> None:
    config = configured("file", tmp_path)
    (source,) = config.sources
    place, data = payload(source, config, example("file").proofs[0])
    entry = Entry(Kind.RECORD, 0, 0, "boot", place, data)
    mean, instant, *_ = Sources.of(config).decode(entry).readings
    assert mean.time_ns is not None
    assert mean.start_ns == mean.time_ns - 1800 * 10**9
    assert instant.start_ns is None


def keys(cls: Any) -> list[str]:
    return [field.name for field in fields(cls)]


def used(table: Any) -> set[str]:
    """The keys of a frame and of the tables inside, those apart that are names of something."""
    if isinstance(table, list):
        return set().union(*map(used, table))
    if not isinstance(table, Mapping):
        return set()
    named = {"codes", "longer", "parameters"}
    inside = [used(value) for key, value in table.items() if key not in named]
    return set(table).union(*inside)


def in_sheets(*engines: str) -> set[str]:
    sheets = [sheet for sheet in map(load_sheet, model_names()) if sheet.engine in engines]
    assert sheets
    return set().union(*(used(sheet.frame) for sheet in sheets))


# Part of the page -> the keys that its code takes.
KNOWN: Mapping[str, set[str]] = {
    "Any model": {*keys(Output), *keys(Sheet)}
    - {"meaning", "packages", "model", "outputs", "commands"},
    "An ASCII instrument": {
        *ascii_keys.AsciiTable.model_fields,
        *ascii_keys.IdentityTable.model_fields,
    },
    "An SDI-12 probe": {*sdi12_keys.Sdi12Table.model_fields, "send", "outputs"},
    "A Modbus probe": {
        *(field.alias or name for name, field in modbus_keys.Read.model_fields.items()),
        *modbus_keys.Item.model_fields,
        *modbus_keys.State.model_fields,
        *modbus_keys.Wait.model_fields,
    },
    "A logger's file": {
        *file_keys.FileTable.model_fields,
        *(f"time.{key}" for key in file_keys.FileTime.model_fields),
    }
    - {"time"},
    "A thermometer of the kernel's 1-wire bus": in_sheets("w1", "i2c"),
    "A LoRaWAN device, by table": {*codec_names(), *in_sheets("lorawan")},
    "A message of a gateway": {
        *message_keys.JsonTable.model_fields,
        *message_keys.TextTable.model_fields,
    },
}


@pytest.mark.parametrize("part", KNOWN)
def test_the_guide_explains_every_key_of_a_frame(part: str) -> None:
    (begin,) = re.findall(rf"^## {part}.*$", PAGE, re.MULTILINE)
    text = re.split(r"^##? ", PAGE.split(begin)[1], flags=re.MULTILINE)[0]
    rows = " ".join(re.findall(r"^\| .*$", text, re.MULTILINE))
    missing = [key for key in sorted(KNOWN[part]) if not re.search(rf"\b{re.escape(key)}\b", rows)]
    assert missing == []


def test_the_guide_shows_the_entry_points_of_the_example_package() -> None:
    package = ROOT / "tests" / "example_package"
    own = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    part = PAGE.split("## How to add a package\n")[1]
    shown = tomllib.loads(re.findall(r"<!-- entry points -->\n```toml\n(.*?)```", part, re.S)[0])
    assert shown["project"]["entry-points"] == own
    for group, file in re.findall(r"^\| `(edaphon\.\w+)` \| .* \| `(.*)` \|$", part, re.MULTILINE):
        assert group in own
        assert (package / "edaphon_example" / file).is_file()
    built_in = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = set(re.findall(r"^\| `(edaphon\.\w+)` \|", part, re.MULTILINE))
    assert listed == built_in["entry-points"].keys()


def part(name: str, folder: Path) -> dict[str, Any]:
    """The names that the page's code for a part defines."""
    mark = re.escape(f"<!-- part: {name} -->")
    (code,) = re.findall(rf"^{mark}\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    file = folder / f"{name}.py"
    file.write_text(code, "utf-8")
    return runpy.run_path(str(file))


def test_the_curve_of_the_guide_gives_its_worked_example(tmp_path: Path) -> None:
    (text,) = re.findall(r"^<!-- part: curve -->\n```toml\n(.*?)^```$", PAGE, re.M | re.S)
    file = tmp_path / "soil_probes.toml"
    file.write_text(text, "utf-8")
    (curve,) = known_of([Family[Curve]("", curves_of(str(file)))]).by_name.values()
    assert curve.uncertainty == pytest.approx(0.03 / 3**0.5)
    assert curve.example is not None
    x, y, _, _ = curve.example
    p, one = curve.parameter_vector(), np.array([x])
    assert curve.value(one, p) == pytest.approx([y], rel=1e-12)
    assert curve.slope(one, p) == pytest.approx([4e-4])
    assert curve.gradient(one, p).shape == (2, 1)
    assert conversion(curve.to_unit or "", "%").apply(curve.value(one, p)) == pytest.approx([35.0])


def test_the_check_of_the_guide_flags_what_is_above_its_limit(tmp_path: Path) -> None:
    (check,) = part("check", tmp_path)["CHECKS"]
    flags = prepare_check(check, {"ceiling": 0.5}).flags(
        np.arange(3, dtype=np.int64), np.array([0.4, 0.6, np.nan])
    )
    assert flags.tolist() == [1, 3, 2]


def test_the_sink_of_the_guide_holds_what_is_written_until_it_is_withdrawn(tmp_path: Path) -> None:
    kind, folder = part("sink", tmp_path)["KIND"], tmp_path / "points"
    settings = kind.settings(folder=folder)
    assert settings.reaches == [("folder", folder)]
    sink, observations = kind.open_sink(settings, CHANNELS), run(n=2)
    with pytest.raises(Later, match="points can't be written"):
        sink.write([observations])
    folder.mkdir()
    sink.write([observations])
    sink.write([observations])
    first, last = sorted(folder.iterdir())
    assert [float(file.read_text("utf-8")) for file in (first, last)] == observations.value.tolist()
    sink.withdraw(withdrawal(SWC, T0, T0))
    assert list(folder.iterdir()) == [last]


def test_the_guide_says_how_to_add_each_kind_of_part() -> None:
    headings = re.findall("^#+ (How to add .*)$", PAGE, re.MULTILINE)
    for what in ("an instrument", "a curve", "a check", "a sink", "a package"):
        assert f"How to add {what}" in headings
