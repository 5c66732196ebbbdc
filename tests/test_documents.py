"""The documents say what the code does: tables, commands, examples, version, pins."""

import re
from pathlib import Path
from typing import get_args

import pytest
from tests import documents
from tests.documents import ROOT

import edaphon
from edaphon.acquire.bus import BusBusy, ServiceOff
from edaphon.acquire.slots import CLOCK_STEP
from edaphon.acquire.switches import NotSwitched
from edaphon.commands.check import example_text
from edaphon.config import Bus
from edaphon.facts.files import KINDS
from edaphon.facts.model import Deployment
from edaphon.service.check import examine
from edaphon.toml_input.models import key_text
from edaphon_drivers.faults import Garbled, LinkDown, NoAnswer, Refused
from edaphon_drivers.lorawan import envelope_kinds
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import model_names

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
GUIDES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(p for p in sorted((ROOT / "docs").glob("*.md")) if p.name != "glossary.md"),
]
SECRETS = ("EDAPHON_TTN_KEY", "EDAPHON_INFLUX_TOKEN")


def config_errors(*files: Path) -> list[str]:
    return [str(c) for c in examine(files).config_errors]


def test_the_generated_parts_of_the_docs_are_in_step() -> None:
    for path, text in documents.pages().items():
        assert path.read_text("utf-8") == text, f"{path.name}: run `./run fix`"


def test_every_key_of_configuration_and_facts_is_explained() -> None:
    text = documents.CONFIGURATION.read_text("utf-8")
    models = [model for _, _, model in documents.TABLES] + list(KINDS.values())
    for model in models:
        for name, info in model.model_fields.items():
            assert f"| `{info.alias or name}` |" in text
            assert key_text(model, info.alias or name).stated, (
                f"{model.__name__}.{name} is not explained"
            )


def test_the_model_sheets_that_keys_are_explained_with_are_there() -> None:
    models = [model for _, _, model in documents.TABLES] + list(KINDS.values())
    named = [model for model in models if "model" in model.model_fields]
    examples = {str(example) for model in named for example in key_text(model, "model").examples}
    assert examples
    assert examples <= set(model_names())


def test_every_command_is_in_the_docs() -> None:
    text = documents.COMMAND_LINE.read_text("utf-8")
    assert {"init", "check"} <= set(documents.command_names())
    for name in documents.command_names():
        assert f"## edaphon {name}\n" in text


def test_the_readmes_plot_passes_check(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    file = tmp_path / "edaphon.toml"
    file.write_text(found[1], "utf-8")
    assert config_errors(file) == []


def test_the_technicians_exchange_of_a_probe_passes_check(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "technician.md").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    config, facts = tmp_path / "edaphon.toml", tmp_path / "swap.toml"
    config.write_text(readme.split("```toml\n")[1].split("```")[0], "utf-8")
    exchange = page.split("## A probe is exchanged")[1].split("```toml\n")[1].split("```")[0]
    facts.write_text(exchange, "utf-8")
    assert config_errors(config, facts) == []


def test_the_technicians_lines_of_every_kind_pass_check_together(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "technician.md").read_text("utf-8").split("## A probe is exchanged")[0]
    lines = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    box = '[logger]\nid = "l1"\n[site]\nid = "s1"\n[storage]\nfolder = "/var/lib/edaphon"\n'
    file = tmp_path / "edaphon.toml"
    file.write_text(box + "".join(lines), "utf-8")
    assert config_errors(file) == []
    kinds = set(get_args(Bus.model_fields["kind"].annotation))
    assert {kind for kind in kinds if f'kind = "{kind}"' in "".join(lines)} == kinds


def test_the_technicians_page_names_every_status_cause_and_envelope() -> None:
    page = (ROOT / "docs" / "technician.md").read_text("utf-8")
    rows = " ".join(re.findall(r"^\| [^|]*\|[^|]*\|", page, re.MULTILINE))
    faults = (NoAnswer, Garbled, Refused, LinkDown, NotSwitched, BusBusy, ServiceOff)
    words = [*(s for s in Status if s is not Status.OK), *(f.cause for f in faults), CLOCK_STEP]
    words += [f"`{name}`" for name in envelope_kinds()]
    assert [word for word in words if word not in rows] == []


def test_the_shipped_examples_pass_check(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "x")
    folders = [p for p in (ROOT / "deploy" / "examples").iterdir() if p.is_dir()]
    assert folders
    for folder in folders:
        assert config_errors(folder / "edaphon.toml", folder / "facts") == []


def test_the_example_of_a_chamber_plot_has_a_source_of_every_kind_and_each_feeds_a_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "x")
    folder = ROOT / "deploy" / "examples" / "chamber-plot"
    found = examine([folder / "edaphon.toml", folder / "facts"])
    assert found.config is not None
    kinds = {type(source).__name__ for source in found.config.sources}
    assert kinds == {"ScheduledSource", "HeardSource", "FileSource", "LorawanSource"}
    sheets = [
        found.config.sheet(s) for s in found.config.sources if getattr(s, "bus", "") == "rs485"
    ]
    assert {sheet.engine for sheet in sheets} == {"ascii", "modbus"}
    fed = {row.fact.source for row in found.rows if isinstance(row.fact, Deployment)}
    assert fed == {source.path for source in found.config.sources}


def test_the_example_of_init_passes_check_with_every_line_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "x")
    text = example_text("l1", "whs", tmp_path).replace("/etc/edaphon/facts", str(tmp_path / "in"))
    (tmp_path / "in").mkdir()
    whole = re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)
    assert whole.count("\n[[source]]") == 3
    file = tmp_path / "edaphon.toml"
    file.write_text(whole, "utf-8")
    assert config_errors(file) == []


def test_the_changelog_knows_the_version() -> None:
    assert f"\n## {edaphon.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_version_stands_in_one_place_only() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'\nversion = "{edaphon.__version__}"' in text


def test_links_between_the_papers_lead_somewhere() -> None:
    evidence = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for paper in evidence:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", paper.read_text("utf-8")):
            assert (paper.parent / target).exists(), f"{paper.name}: {target}"


def test_the_files_and_folders_of_the_architecture_are_there() -> None:
    text = documents.ARCHITECTURE.read_text("utf-8")
    assert len(text.splitlines()) <= 200
    rooms = [ROOT / room for room in ("daemon", "drivers", "calibration")]
    for file in documents.files_of_the_ways():
        assert any((room / file).is_file() for room in rooms), file
    tables = text.split("## The three packages\n")[1].split("\n## ")[0].split("\n\n")
    for package, table in (
        ("daemon/edaphon", next(t for t in tables if t.startswith("| room |"))),
        ("drivers/edaphon_drivers", next(t for t in tables if "`sdi12/`" in t)),
    ):
        named = {
            name
            for row in table.splitlines()[2:]
            for name in re.findall("`([a-z0-9_.]+)/?`", row.split(" | ")[0])
        }
        # A folder that an update left with nothing but bytecode is none of them.
        files = [p.relative_to(ROOT / package).parts for p in (ROOT / package).rglob("*.*")]
        there = {parts[0] for parts in files if len(parts) > 1 and parts[-2] != "__pycache__"}
        there -= {"__pycache__"}
        assert {name for name in named if not name.endswith(".py")} == there


def test_the_terms_of_the_glossary_are_in_order_and_in_use() -> None:
    rows = re.findall(
        r"^\| \*\*(.*)\*\* \| (.*\.) \|$", documents.GLOSSARY.read_text("utf-8"), re.M
    )
    terms = [term for term, _ in rows]
    assert terms == sorted(terms)
    assert len(terms) > 50
    rooms = [ROOT / room for room in ("daemon", "drivers", "calibration")]
    files = [*(file for room in rooms for file in room.rglob("*.py")), *GUIDES]
    used = "\n".join(file.read_text("utf-8").lower() for file in files)
    assert [term for term in terms if not re.search(rf"\b{term}s?\b", used)] == []


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_the_guides_use_no_word_that_has_a_plainer_one(path: Path) -> None:
    text = path.read_text("utf-8").split(documents.BEGIN)
    written = text[0] + "".join(part.split(documents.END)[1] for part in text[1:])
    code = r"```.*?```|`[^`]*`|^    [^\n]*$|<!--.*?-->|\]\(.*?\)"
    prose = re.sub(code, "", written, flags=re.DOTALL | re.MULTILINE)
    rows = documents.GLOSSARY.read_text("utf-8").split("| not | but |\n|---|---|\n")[1]
    words = [w for row in rows.splitlines() for w in row.split(" | ")[0].strip("| ").split(", ")]
    found = re.findall(rf"\b(?:{'|'.join(words)})s?\b.*", prose, re.IGNORECASE)
    assert found == [], "see docs/glossary.md"


@pytest.mark.parametrize("path", DECISIONS, ids=lambda p: p.stem)
def test_a_decision_has_its_four_parts_on_one_page(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall("^## (.*)$", text, re.MULTILINE) == [
        "Status",
        "Context",
        "Decision",
        "Consequences",
    ]
    assert text.startswith(f"# {path.name[:4]}. ")
    assert len(text.splitlines()) <= 60


@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_pins_have_hashes_and_no_address_of_an_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text("utf-8")
    assert "://" not in text
    assert "--index" not in text
    packages = re.findall(r"^[a-z0-9][^ ]*==[^\\]*\\$", text, re.MULTILINE)
    assert len(packages) == len(re.findall("^[a-z0-9]", text, re.MULTILINE)) > 30
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= len(packages)


def test_the_engine_of_codecs_is_pinned_for_stations_as_it_is_tested() -> None:
    station, tested = (
        (ROOT / "requirements" / name).read_text("utf-8") for name in ("codecs.txt", "test.txt")
    )
    pins = station[: station.index("    # via")]
    assert pins.startswith("quickjs-ng==")
    assert pins.count("--hash=sha256:") > 1
    assert pins in tested
    assert "://" not in station


def test_what_pyproject_asks_for_is_pinned() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    asked = set(re.findall(r'^  "([a-z0-9-]+)[<>=]', project, re.MULTILINE))
    pinned = set(
        re.findall("^([a-z0-9-]+)==", (ROOT / "requirements/test.txt").read_text(), re.MULTILINE)
    )
    assert asked <= pinned


def test_each_door_of_security_names_tests_that_there_are() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 20
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert f"def {test}(" in (ROOT / file).read_text() or not test, f"{file}::{test}"
