"""`edaphon check` tries makers' codecs, and says in time which can't be used and why."""

from pathlib import Path

import pytest

from edaphon.commands import main
from edaphon.config import Configuration
from edaphon.service import prerequisites
from edaphon.service.check import examine
from edaphon.service.prerequisites import codec_errors
from edaphon.toml_input.lines import Document

GOOD = "function decodeUplink(i) { return { data: { t: i.bytes[0] } }; }"
TEXTS = {
    "good": GOOD,
    "endless": "for (;;);" + GOOD,
    "native": "[].reverse.call({ length: 2 ** 53 - 1 });" + GOOD,
    "broken": "function decodeUplink({",
    "none": "function decode() {}",
}


def configuration(folder: Path, *names: str) -> Path:
    file = folder / "edaphon.toml"
    text = (
        f'[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{folder / "data"}"\n'
        '[broker.cs]\nhost = "h"\ntopics = ["#"]\nenvelope = "chirpstack-v4"\n'
    )
    for number, name in enumerate(names):
        (folder / f"{name}.js").write_text(TEXTS[name])
        text += (
            f'[[source]]\nbroker = "cs"\ndev_eui = "{number:016x}"\n'
            f'codec_file = "{folder / name}.js"\n[[source.field]]\nname = "t"\npath = "t"\n'
            'quantity = "soil_temperature"\nunit = "degC"\n'
        )
    file.write_text(text)
    return file


def examined(file: Path) -> tuple[Document, Configuration]:
    found = examine([file])
    assert found.document is not None
    assert found.config is not None, found.config_errors
    return found.document, found.config


def test_a_codec_that_can_not_be_loaded_is_a_mistake_with_its_line_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configuration(tmp_path, "good", "endless", "native", "broken", "none", "good")
    with pytest.raises(SystemExit) as ended:
        main(["check", str(file)])
    assert ended.value.code == 3
    *lines, last = capsys.readouterr().err.splitlines()
    assert last == "4 errors; nothing was changed."
    written = file.read_text().splitlines()
    reasons = {"endless": "CPU", "native": "CPU", "broken": "SyntaxError", "none": "decodeUplink"}
    for line, (name, reason) in zip(lines, reasons.items(), strict=True):
        assert f"{name}.js" in line
        assert reason in line
        number = int(line.split()[0].rpartition(":")[2])
        assert f"{name}.js" in written[number - 1]


def test_a_good_codec_is_no_mistake_and_the_service_starts_with_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", str(configuration(tmp_path, "good"))])
    assert ended.value.code == 0
    assert capsys.readouterr().err == ""
    assert examine([configuration(tmp_path, "native")]).config_errors == ()


def test_codecs_for_which_there_was_no_time_are_listed(tmp_path: Path) -> None:
    document, config = examined(configuration(tmp_path, "good", "broken"))
    wrong, untried = codec_errors(document, config, all_s=-1.0)
    assert wrong == []
    assert [c.came.split("/")[-1].split('"')[0] for c in untried] == ["good.js", "broken.js"]


def test_a_codec_of_many_sources_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, config = examined(configuration(tmp_path, "good", "good", "good"))
    tried: list[str] = []
    monkeypatch.setattr(prerequisites, "_codec_problem", lambda source: tried.append(source.path))
    assert codec_errors(document, config) == ([], [])
    assert len(tried) == 1
