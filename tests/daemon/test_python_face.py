"""`import edaphon`: the values of a site for programs, from a folder, a copy or a release."""

import ast
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from tests.daemon.commands.calling import call, call_plain
from tests.daemon.commands.test_explain import FACTS, NOON, TABLES, entry
from tests.daemon.commands.test_release import correct, settled
from tests.documents import ROOT
from tests.stories.station import Station

import edaphon
from edaphon.clock import SystemClock
from edaphon.journal import Journal, Kind
from edaphon.series import SeriesReader
from edaphon.service.process import running

__all__ = ["settled"]  # a fixture

IDS = ["p-temp", "p-vwc"]


@pytest.fixture
def plot(settled: Path, tmp_path: Path) -> Station:
    station = Station(tmp_path / "plot", TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


@pytest.fixture
def site(plot: Station) -> edaphon.Site:
    return edaphon.open(plot.storage)


def test_channels_are_a_table(site: edaphon.Site) -> None:
    channels = site.channels()
    assert channels.ids == ["ec25", "p-temp", "p-vwc"]
    row = channels["p-temp"]
    assert (row.quantity, row.unit, row.plot, row.depth_cm) == ("soil_temperature", "degC", "p", 5)
    assert (row.position, row.statistic, row.n) == (1, "instant", 5)
    assert str(row.first) == "2026-04-01T12:00:00.000000000"
    assert "p-temp" in channels
    assert row in channels
    assert len(channels[:2]) == 2
    with pytest.raises(edaphon.UnknownChannel, match="did you mean p-temp"):
        channels["p-tmp"]


def test_values_come_in_columns(site: edaphon.Site) -> None:
    values = site.read(IDS, "2026-04-01", "2026-05-01")
    assert len(values) == 7
    assert values.time.dtype == "datetime64[ns]"
    assert {name: len(getattr(values, name)) for name in ("channel", "flag", "derivation")} == {
        "channel": 7,
        "flag": 7,
        "derivation": 7,
    }
    assert [(own.id, own.unit, own.quantity, len(own)) for own in values] == [
        ("p-temp", "degC", "soil_temperature", 3),
        ("p-vwc", "m3/m3", "volumetric_water_content", 4),
    ]
    assert values["p-temp"].value.tolist() == [15.0, 15.1, 15.2]
    with pytest.raises(ValueError, match="one channel"):
        values.unit  # noqa: B018
    with pytest.raises(edaphon.UnknownChannel):
        values["ec25"]


def test_flags_are_chosen_and_all_come_if_none_are(plot: Station, site: edaphon.Site) -> None:
    everything = site.read("p-temp", flags=None)
    assert everything.flag.tolist() == [1, 1, 1, 4, 3]
    assert site.read("p-temp", flags=[4]).value.tolist() == [15.3]
    rows = call(plot, "query", "p-temp")[0].splitlines()[1:]
    assert [float(row.split(",")[2]) for row in rows] == everything.value.tolist()
    assert [row.split(",")[7] for row in rows] == everything.derivation.tolist()


def test_no_values_are_columns_too(site: edaphon.Site) -> None:
    values = site.read(IDS, "2020-01-01", "2020-01-02")
    assert (len(values), values.value.dtype, values.flag.dtype) == (0, float, np.int8)
    assert [len(own) for own in values] == [0, 0]


@pytest.mark.parametrize(
    "time",
    [
        "2026-04-01T12:10:00Z",
        "2026-04-01T14:10:00+02:00",
        "2026-04-01T12:10Z",
        datetime(2026, 4, 1, 12, 10, tzinfo=UTC),
        datetime(2026, 4, 1, 14, 10, tzinfo=timezone(timedelta(hours=2))),
        np.datetime64("2026-04-01T12:10"),
    ],
)
def test_a_time_is_given_in_any_form_that_has_a_zone(site: edaphon.Site, time: object) -> None:
    assert site.read("p-temp", time).value.tolist()[0] == 15.1


def test_a_date_is_the_day_in_utc(site: edaphon.Site) -> None:
    assert len(site.read("p-temp", date(2026, 4, 1), date(2026, 4, 2))) == 3
    assert len(site.read("p-temp", "2026-04-02")) == 0


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (datetime(2026, 4, 1, 12), "time.replace"),  # noqa: DTZ001
        ("2026-04-01T12:00:00", "with its zone"),
        ("yesterday", "a date, or a time with its zone"),
        (np.datetime64("NaT"), "expected a time"),
        (17, "expected a time"),
    ],
)
def test_a_time_without_a_zone_is_refused(site: edaphon.Site, time: object, words: str) -> None:
    with pytest.raises(edaphon.TimeError, match=words):
        site.read("p-temp", time)


def test_a_day_that_no_month_has_is_refused_with_what_came(site: edaphon.Site) -> None:
    with pytest.raises(edaphon.TimeError, match=r"^expected a date, .*, got '2026-13-01'$"):
        site.read(IDS, "2026-13-01")


def test_a_flag_that_there_is_not_is_refused(site: edaphon.Site) -> None:
    with pytest.raises(ValueError, match="expected flags of 1, 2, 3, 4, 9, got 'good'"):
        site.read(IDS, flags=("good",))  # type: ignore[arg-type]


def test_a_folder_that_holds_the_storage_is_answered_with_the_storage(plot: Station) -> None:
    folder = plot.storage.parent
    with pytest.raises(edaphon.StorageError, match=f"did you mean {plot.storage}"):
        edaphon.open(folder).channels()
    words = call_plain("query", "p-temp", "--folder", str(folder), codes=(1,))[1]
    assert f"expected a storage folder, with journal/ in it, got {folder}" in words


def test_a_folder_that_is_not_there_is_not_a_service_that_is_off(tmp_path: Path) -> None:
    words = call_plain("status", "--folder", str(tmp_path / "gone"), codes=(3,))[1]
    assert f"expected a storage folder, got nothing at {tmp_path / 'gone'}" in words


def test_an_unknown_channel_is_named_with_the_nearest(site: edaphon.Site) -> None:
    with pytest.raises(edaphon.UnknownChannel, match="did you mean p-vwc"):
        site.read(["p-temp", "p-vwcc"])


def test_values_as_they_were_known(plot: Station, site: edaphon.Site) -> None:
    before = site.read("p-temp").value.tolist()
    then = datetime.now(UTC)
    while datetime.now(UTC) < then + timedelta(milliseconds=2):
        pass
    correct(plot)
    call(plot, "channels")  # derives what no daemon has
    assert site.read("p-temp").value.tolist() != before
    known = site.read("p-temp", as_of=then + timedelta(milliseconds=1))
    assert known.value.tolist() == before
    with pytest.raises(edaphon.NothingKnown, match="nothing was known then"):
        site.read("p-temp", as_of="1990-01-01")


def test_a_value_is_explained(site: edaphon.Site) -> None:
    way = site.explain("p-temp", "2026-04-01T12:10:00Z")
    assert (way.channel, way.agrees, way.flag) == ("p-temp", True, 1)
    assert way.steps is not None
    with pytest.raises(edaphon.NoExplanation):
        site.explain("p-temp", "2026-06-01T00:00:00Z")
    with pytest.raises(edaphon.UnknownChannel, match="did you mean p-temp"):
        site.explain("p-tmp", "2026-04-01T12:10:00Z")


def test_a_release_is_read_from_its_one_file(plot: Station, tmp_path: Path) -> None:
    call(plot, "release", "r1")
    file = tmp_path / "r1.sqlite"
    shutil.copy(plot.storage / "releases" / "r1.sqlite", file)
    release = edaphon.open(file)
    call(plot, "channels")
    site = edaphon.open(plot.storage)
    assert release.channels() == site.channels() or release.channels().ids == site.channels().ids
    for id in IDS:
        mine, theirs = release.read(id, flags=None), site.read(id, flags=None)
        assert np.array_equal(mine.value, theirs.value, equal_nan=True)
        row, own = release.channels()[id], site.channels()[id]
        assert (row.first, row.last, row.n, row.unit) == (own.first, own.last, own.n, own.unit)
    with pytest.raises(edaphon.StorageError, match="storage folder"):
        release.explain("p-temp", NOON)
    with pytest.raises(edaphon.TimeError, match="as_of"):
        release.read("p-temp", as_of="2026-05-01")


def test_what_is_no_storage_is_refused(tmp_path: Path, plot: Station) -> None:
    with pytest.raises(edaphon.StorageError, match="nothing at"):
        edaphon.open(tmp_path / "none")
    (tmp_path / "text.sqlite").write_text("no database")
    with pytest.raises(edaphon.DamagedError):
        edaphon.open(tmp_path / "text.sqlite")
    with pytest.raises(edaphon.StorageError, match="expected a storage folder, with journal/ in"):
        edaphon.open(tmp_path).channels()
    (tmp_path / "empty").mkdir()
    with pytest.raises(edaphon.StorageError, match="no values yet"):
        edaphon.open(tmp_path / "empty").channels()
    (plot.storage / "series.sqlite").write_bytes(b"no database at all" * 1000)
    with pytest.raises(edaphon.EdaphonError):
        edaphon.open(plot.storage).channels()


def test_what_may_be_old_is_not_given(plot: Station, site: edaphon.Site) -> None:
    """Records that a kill left underived are derived by a command, not by a program that reads."""
    with Journal(plot.storage / "journal", SystemClock()) as journal:
        journal.append_now(entry(Kind.NOTE, -5, "", b"{}"))
        with pytest.raises(edaphon.StaleError, match="written by a process"):
            site.read("p-temp")
    with pytest.raises(edaphon.StaleError, match="edaphon channels --folder"):
        site.read("p-temp")
    call(plot, "channels")
    assert len(site.read("p-temp")) == 3


def test_a_running_service_writes_out_what_it_holds(plot: Station) -> None:
    with running(plot.file) as service:
        assert len(edaphon.open(plot.storage).read("p-temp")) == 3
        with SeriesReader(service.layout.series) as series:
            assert series.checkpoint("deriver")


def test_reading_writes_nothing(plot: Station) -> None:
    def files() -> dict[str, bytes]:
        return {
            str(p): p.read_bytes()
            for p in plot.storage.rglob("*")
            if p.is_file() and not p.name.endswith(("-shm", "-wal"))
        }

    before = files()
    site = edaphon.open(plot.storage)
    site.channels()
    site.read(IDS)
    assert files() == before


def test_pandas_gets_a_row_for_each_value(site: edaphon.Site) -> None:
    pandas = pytest.importorskip("pandas")
    values = site.read(IDS)
    frame = values.to_pandas()
    assert list(frame.columns[:2]) == ["channel", "time"]
    assert str(frame["time"].dtype) == "datetime64[ns, UTC]"
    assert frame.attrs["channels"]["p-vwc"]["unit"] == "m3/m3"
    wide = frame.pivot(index="time", columns="channel", values="value")
    assert wide["p-temp"].dropna().tolist() == [15.0, 15.1, 15.2]
    table = site.channels().to_pandas()
    assert table.loc["p-temp", "n"] == 5
    assert table.loc["p-temp", "first"] == pandas.Timestamp("2026-04-01T12:00Z")


def test_arrow_keeps_units_in_its_schema(site: edaphon.Site) -> None:
    pytest.importorskip("pyarrow")
    table = site.read(IDS).to_arrow()
    assert table.num_rows == 7
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    about = json.loads(table.schema.metadata[b"edaphon.channels"])
    assert about["p-temp"]["quantity"] == "soil_temperature"
    assert table["channel"].to_pylist().count("p-vwc") == 4
    assert site.channels().to_arrow()["n"].to_pylist() == [4, 5, 5]


def test_xarray_follows_the_cf_conventions(site: edaphon.Site) -> None:
    pytest.importorskip("xarray")
    data = site.read(IDS).to_xarray()
    assert data["p-temp"].attrs["units"] == "degC"
    assert data["p-temp"].attrs["plot"] == "p"
    names = data["p-temp"].attrs["ancillary_variables"].split()
    assert all(name in data for name in names)
    assert data["p-temp_flag"].values.tolist() == [1, 1, 1, 9]
    assert np.isnan(data["p-temp"].values[-1])


def test_the_public_names_are_those_of_the_page() -> None:
    assert set(edaphon.__all__) <= set(dir(edaphon))
    assert all(getattr(edaphon, name) is not None for name in edaphon.__all__)
    with pytest.raises(AttributeError):
        edaphon.nothing  # noqa: B018
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    errors = [
        name
        for name in edaphon.__all__
        if name.endswith(("Error", "Channel", "Known", "Explanation"))
    ]
    assert [name for name in errors if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", ["python.md", "scientist.md"])
def test_the_examples_of_a_page_run(plot: Station, page: str, monkeypatch) -> None:
    """Each block of Python that opens a site, with this plot in the place of the installed one."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```python\n")[1:]]
    blocks = [block for block in blocks if re.search(r"\b(site|values)\b", block)]
    assert blocks
    for name in ("pandas", "pyarrow", "xarray"):
        pytest.importorskip(name)
    call(plot, "release", "thesis-2026")
    call(plot, "channels")
    monkeypatch.chdir(plot.folder)
    known: dict[str, object] = {}
    for block in blocks:
        code = block.replace("/var/lib/edaphon", str(plot.storage))
        code = code.replace("P1-vwc-5", "p-vwc").replace("P1-temp-5", "p-temp")
        exec(compile(ast.parse(code), page, "exec"), known)  # noqa: S102


WITHOUT = """
import sys
from edaphon.commands import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(*sorted(name for name in sys.modules if name.startswith("edaphon")), file=sys.stderr)
"""
FACE = """
import sys, edaphon
heavy = {"pydantic", "typer", "numpy", "rich", "edaphon.api"} & sys.modules.keys()
assert not heavy, heavy
site = edaphon.open(sys.argv[1])
site.channels()
site.read(["p-temp", "p-vwc"])
assert not {"pydantic", "typer", "rich", "pandas", "xarray", "pyarrow"} & sys.modules.keys()
print(*sorted(name for name in sys.modules if name.startswith("edaphon")), file=sys.stderr)
"""


def modules(code: str, *words: str) -> set[str]:
    """The modules of edaphon that a fresh process has at its end."""
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


READING = {
    "query": ("query", "p-temp"),
    "channels": ("channels",),
    "release": ("release",),
    "release new": ("release", "r9"),
    "query release": ("query", "p-temp", "--release", "r1"),
}
MORE = {
    **READING,
    "cal list": ("cal", "list"),
    "explain": ("explain", "p-temp", NOON),
    "verify": ("verify",),
}


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_imports_no_driver(plot: Station, command: str) -> None:
    if "release" in command:
        call(plot, "release", "r1")
        call(plot, "channels")
    found = modules(WITHOUT, *READING[command], "--folder", str(plot.storage))
    assert {name for name in found if name.startswith("edaphon_drivers")} == set()
    rooms = {name.split(".")[1] for name in found if name.startswith("edaphon.")}
    assert not rooms & {"config", "facts", "derive", "sinks", "alerts", "web", "explain"}


ENGINES = {"i2c", "smart_home", "w1", "gsm", "links", "javascript"}


def engines(*words: str) -> set[str]:
    """Which engines, links and codecs a command imports."""
    found = {name.removeprefix("edaphon_drivers.") for name in modules(WITHOUT, *words)}
    return {name for name in found if name.endswith(".engine") or name.split(".")[0] in ENGINES}


def test_only_the_engine_of_the_record_is_imported(plot: Station) -> None:
    given = ("--folder", str(plot.storage))
    assert engines("cal", "list", *given) == set()
    assert engines("explain", "p-temp", NOON, *given) == {"sdi12.engine"}
    assert engines("query", "p-temp", "--as-known-at", "2090-01-01", *given) <= {"sdi12.engine"}


def test_a_running_service_answers_whatever_the_file_says(plot: Station) -> None:
    with running(plot.file):
        plot.file.write_text(BROKEN["not TOML"] % plot.storage)
        assert "clock:" in call(plot, "status", codes=(0, 1))[0]
        plot.file.unlink()
        words = ("status", "--folder", str(plot.storage))
        assert "clock:" in call_plain(*words, codes=(0, 1))[0]


def test_the_python_face_imports_no_driver(plot: Station) -> None:
    found = modules(FACE, str(plot.storage))
    assert {name for name in found if name.startswith("edaphon_")} == set()
    assert "edaphon.config" not in found


def codes_of(words: tuple[str, ...]) -> tuple[int, ...]:
    """The journal of this plot is made by hand: `verify` misses slots of its source."""
    return (1,) if words == ("verify",) else (0,)


BROKEN = {
    "not TOML": 'folder = "elsewhere"\n[storage]\nfolder = "%s"\n[source\nx = = 1\n',
    "a wrong source": '[storage]\nfolder = "%s"\n[[source]]\nmodel = "no.such"\n',
    "no more than that": '[storage]\nfolder = "%s"\n',
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("words", MORE.values(), ids=MORE)
def test_a_broken_configuration_keeps_nobody_from_reading(
    plot: Station, broken: str, words: tuple[str, ...]
) -> None:
    call(plot, "release", "r1")
    plot.file.write_text(BROKEN[broken] % plot.storage)
    assert call(plot, *words, codes=codes_of(words))[0]


@pytest.mark.parametrize("words", MORE.values(), ids=MORE)
def test_a_folder_without_a_configuration_is_read(plot: Station, words: tuple[str, ...]) -> None:
    call(plot, "release", "r1")
    plot.file.unlink()
    given = (*words, "--folder", str(plot.storage))
    assert call_plain(*given, codes=codes_of(words))[0]


def test_a_configuration_that_names_no_folder_asks_for_one(plot: Station) -> None:
    plot.file.write_text('[site]\nid = "x"\n')
    _, err = call(plot, "query", "p-temp", codes=(3,))
    assert "name the storage folder with --folder DIR" in err
    plot.file.unlink()
    _, err = call(plot, "channels", codes=(3,))
    assert "--folder DIR" in err


def test_channels_are_listed_for_pipes_and_programs(plot: Station) -> None:
    lines = call(plot, "channels")[0].splitlines()
    assert lines[0].split("\t")[:3] == ["id", "quantity", "unit"]
    assert len(lines) == 4
    rows = json.loads(call(plot, "channels", "--json")[0])
    assert rows[1]["first"] == NOON
    assert list(rows[0]) == lines[0].split("\t")
