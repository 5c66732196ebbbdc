"""From a certificate in the hand to a file in the inbox, or to words in terms of the options."""

import hashlib
import json
import tomllib

import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_cal_preview import FACTS, LINE, TABLES, minute, station_in
from tests.stories.station import Station

from edaphon.commands import main
from edaphon.service.check import examine

SOIL = ("--channel", "p-vwc", "--curve", "linear", "--parameter", "c1=1.05")
M3 = ("--from-unit", "m3/m3", "--to-unit", "m3/m3")
VISIT = ("--check", "--channel", "p-vwc", "--state", "as left", "--reading", "0.3")
BATH = ("--reference-value", "0.28", "--u-reference", "0.005")


@pytest.fixture
def plot(tmp_path) -> Station:
    """A station that was never started: its facts wait in the inbox."""
    return Station(tmp_path, TABLES, FACTS)


def test_a_calibration_is_written_with_all_that_was_given_and_passes_check(plot):
    paper = plot.folder / "PTB 7.pdf"
    paper.write_bytes(b"%PDF")
    words = (*SOIL, *M3, "--parameter", "c0=-0.01", "--u", "c1=0.02", "--u", "c0=0.005")
    words += ("--from", "2026-03-01T00:00:00Z", "--to", "2027-03-01T00:00:00Z", "--step", "1")
    words += ("--domain", "0.05,0.45", "--expires", "2027-01-01T00:00:00Z")
    words += ("--drift-per-year", "0.002", "--operator", "K. Berg", "--method", "5 cores")
    words += ("--reference-standard", "oven", "--certificate", "PTB 7", "--evidence", str(paper))
    out, _ = call(plot, "cal", "add", *words)
    file = plot.inbox / "p-vwc-2026-03-01.toml"
    (row,) = tomllib.loads(file.read_text())["calibration"]
    assert row == {
        "id": "p-vwc-2026-03-01",
        "channel": "p-vwc",
        "step": 1,
        "curve": "linear",
        "parameters": {"c0": -0.01, "c1": 1.05},
        "covariance": [[0.005**2, 0.0], [0.0, 0.02**2]],
        "from_unit": "m3/m3",
        "to_unit": "m3/m3",
        "domain": [0.05, 0.45],
        "from": "2026-03-01T00:00:00Z",
        "to": "2027-03-01T00:00:00Z",
        "expires": "2027-01-01T00:00:00Z",
        "drift_per_year": 0.002,
        "operator": "K. Berg",
        "method": "5 cores",
        "reference": "oven",
        "certificate": "PTB 7",
        "evidence": {"PTB 7.pdf": hashlib.sha256(b"%PDF").hexdigest()},
    }
    assert (plot.inbox / "PTB 7.pdf").read_bytes() == b"%PDF"
    assert examine([plot.file]).config_errors == ()
    assert f"edaphon cal preview {file}" in out
    assert f"edaphon cal apply {file}" in out
    assert "which the daemon takes over at its next start" in out
    assert "counts as exact" not in out


def test_a_line_is_given_by_offset_and_slope_in_any_order(plot):
    words = ("--channel", "p-vwc", "--curve", "linear", *M3, "--id", "soil")
    words += ("--parameter", "slope=1.05", "--parameter", "offset=-0.01", "--u", "offset=0.005")
    call(plot, "cal", "add", *words)
    (row,) = tomllib.loads((plot.inbox / "soil.toml").read_text())["calibration"]
    assert list(row["parameters"].items()) == [("offset", -0.01), ("slope", 1.05)]
    assert row["covariance"] == [[0.005**2, 0.0], [0.0, 0.0]]
    assert examine([plot.file]).config_errors == ()


def test_a_calibration_without_uncertainty_is_shown_to_count_as_exact(plot):
    assert (
        "so it counts as exact; --u or --covariance says it"
        in call(plot, "cal", "add", *SOIL, *M3)[0]
    )
    words = ("--sensor", "T12-1", "--output", "water_content_counts", "--curve", "teros12_mineral")
    assert "counts as exact" not in call(plot, "cal", "add", *words)[0], "it has its own"


def test_a_covariance_a_second_input_and_the_sensor_are_shown_as_written(plot):
    words = ("--sensor", "T12-1", "--output", "bulk_electrical_conductivity")
    words += ("--curve", "conductivity_at_25", "--parameter", "alpha=0.019")
    words += ("--covariance", "[[4e-6]]", "--second-channel", "p-temp", "--max-age", "30min")
    found = call_json(plot, "cal", "add", *words, "-o", str(plot.folder / "ec.toml"))
    row = found["calibration"]
    assert row["second"] == {"channel": "p-temp", "max_age": "30min"}
    assert row["covariance"] == [[4e-6]]
    assert row["id"] == "T12-1-bulk_electrical_conductivity-conductivity_at_25"
    assert found["written"] == [str(plot.folder / "ec.toml")]
    assert examine([plot.file, plot.folder / "ec.toml"]).config_errors == ()


def test_a_check_in_the_field_is_a_fact_of_its_own(plot):
    found = call_json(plot, "cal", "add", *VISIT, *BATH, "--from", minute(20))
    assert found["check"] == {
        "id": "p-vwc-check-2026-04-01",
        "channel": "p-vwc",
        "state": "as left",
        "reading": 0.3,
        "reference_value": 0.28,
        "u_reference": 0.005,
        "from": minute(20),
    }
    assert examine([plot.file]).config_errors == ()


def test_a_check_widens_the_uncertainty_of_what_comes_after_it(tmp_path):
    plot = station_in(tmp_path)
    words = (*VISIT[:-1], "0.36", *BATH, "--from", minute(20))
    call(plot, "cal", "add", *words)
    (one,) = call_json(plot, "cal", "preview")["channels"]
    assert (one["changed"], one["moved"], one["same_value"]) == (4, 0, 4)
    assert (one["first"], one["flags"]) == (minute(20), [])


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        (("--channel", "p-vw", *SOIL[2:]), '--channel: "p-vw" is no channel; did you mean p-vwc'),
        (SOIL[:2], "expected --curve NAME"),
        ((*SOIL[:3], "linea"), "did you mean linear"),
        ((*SOIL, "--from", "2026-04-01"), '--from: "2026-04-01"; a time with Z'),
        ((*SOIL, "--parameter", "c2=1"), "--parameter: do not fit the curve"),
        ((*SOIL, "--parameter", "c0"), "expected --parameter NAME=VALUE, got 'c0'"),
        ((*SOIL, "--parameter", "c0=inf"), "expected --parameter with a finite number"),
        ((*SOIL, "--drifts-from", "x"), "expected --from and --to with --drifts-from"),
        ((*SOIL, "--max-age", "3min"), "either --second-output of the same record, or --second-ch"),
        ((*SOIL, "--second-channel", "p-temp"), "--max-age together with --second-channel"),
        ((*SOIL, "--state", "as left"), "--state: belongs to a check"),
        ((*SOIL, "--reading", "0.0"), "--reading: belongs to a check"),
        (("--sensor", "T12-1", *SOIL[2:]), "expected either --channel, or --sensor together with"),
        ((*SOIL, "--supersedes", "y"), '--supersedes: "y" is no earlier fact'),
        ((*SOIL, "--from-unit", "degC"), "--from-unit: \"degC\" can't take"),
        ((*SOIL, "--step", "4"), "--step: 4; less than or equal to 3"),
        ((*SOIL, "--covariance", "[[1"), "--covariance: expected rows in brackets"),
        ((*SOIL, "--covariance", "1"), "--covariance: expected rows in brackets"),
        ((*SOIL, "--covariance", "[" * 5000), "--covariance: expected rows in brackets"),
        ((*SOIL, "--covariance", "[[1" + "0" * 400 + "]]"), "--covariance: expected rows"),
        ((*SOIL, "--covariance", "[[-1]]"), "--covariance: does not fit the curve"),
        ((*SOIL, "--covariance", "[[1]]", "--u", "c1=1"), "got both"),
        ((*SOIL, "--u", "c0=1"), "--u: expected a --parameter of linear, got 'c0'"),
        ((*SOIL, "--u", "c1=-1"), "--u: expected 0 or more"),
        ((*SOIL, "--domain", "3,1"), "--domain: [3.0, 1.0]; [low, high]"),
        ((*SOIL, "--domain", "3"), "--domain: expected LOW,HIGH"),
        ((*SOIL, "--evidence", "none.pdf"), "expected a file that can be read, got none.pdf"),
        ((*SOIL, "--id", "a b"), "--id: \"a b\""),
        ((*VISIT, "--curve", "linear"), "--curve: belongs to a calibration"),
        ((*VISIT, *BATH), "--from with --state \"as left\": the time of the visit"),
        ((*VISIT[:3], "--state", "left"), '--state: "left"; one of "as found" or "as left"'),
    ],
)  # fmt: skip
def test_what_was_given_wrongly_is_shown_by_the_options_and_nothing_is_written(plot, words, stated):
    before = sorted(plot.inbox.iterdir())
    out, err = call(plot, "cal", "add", *words, codes=(2,))
    assert (out, sorted(plot.inbox.iterdir())) == ("", before)
    assert stated in err


def test_a_file_or_paper_that_is_there_is_left_alone(plot):
    call(plot, "cal", "add", *SOIL, *M3)
    stated = call(plot, "cal", "add", *SOIL, *M3, codes=(1,))[1]
    assert "p-vwc-linear.toml is there already; choose another --id" in stated
    paper = plot.folder / "c.pdf"
    paper.write_bytes(b"new")
    (plot.inbox / "c.pdf").write_bytes(b"old")
    words = ("--id", "second", "--evidence", str(paper))
    stated = call(plot, "cal", "add", *SOIL, *M3, *words, codes=(1,))[1]
    assert "is there already with other content" in stated
    assert not (plot.inbox / "second.toml").exists()
    other = plot.folder / "certificates"
    other.mkdir()
    (other / "d.pdf").write_bytes(b"1")
    (plot.folder / "d.pdf").write_bytes(b"2")
    words = ("--evidence", str(other / "d.pdf"), "--evidence", str(plot.folder / "d.pdf"))
    stated = call(plot, "cal", "add", *SOIL, *M3, "--id", "third", *words, codes=(2,))[1]
    assert "expected files of different names, got two of d.pdf" in stated


def test_a_name_that_was_applied_is_not_used_again(plot):
    call(plot, "cal", "add", *SOIL, *M3)
    call(plot, "apply")
    (plot.inbox / "p-vwc-linear.toml").unlink()
    stated = call(plot, "cal", "add", *SOIL[:-1], "c1=1.06", *M3, codes=(2,))[1]
    assert '--id: "p-vwc-linear" was applied with other content' in stated
    assert "with --supersedes p-vwc-linear" in stated
    words = ("--id", "second", "--supersedes", "p-vwc-linear")
    assert "is written" in call(plot, "cal", "add", *SOIL, *M3, *words)[0]


def test_what_is_wrong_in_the_inbox_is_no_matter_of_a_new_one(plot):
    (plot.inbox / "bad.toml").write_text(LINE.format(id="b a d", more=""))
    assert "is written" in call(plot, "cal", "add", *SOIL, *M3)[0]


def test_at_a_desk_without_a_station_it_is_checked_by_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["cal", "add", *SOIL, *M3, "--supersedes", "of-the-plot", "-o", "c.toml", "--json"]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code in {0, None}
    assert json.loads(capsys.readouterr().out)["written"] == ["c.toml"]
    assert examine([tmp_path / "c.toml"]).rows[0].fact.id == "p-vwc-linear"


def test_without_an_inbox_the_file_is_asked_for(plot):
    text = plot.file.read_text().replace(f'[facts]\ninbox = "{plot.inbox}"\n', "")
    plot.file.write_text(text + "\n".join(FACTS))
    stated = call(plot, "cal", "add", *SOIL, *M3, codes=(2,))[1]
    assert "expected -o FILE, or [facts] with inbox" in stated
