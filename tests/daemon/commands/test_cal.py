"""From a CSV file of points to a calibration that check accepts, or to words that say why not."""

import contextlib
import hashlib
import io
import json
import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from edaphon.commands import main
from edaphon.commands.cal.fit import fit_svg
from edaphon.facts import Calibration
from edaphon.service.check import examine
from edaphon_calibration.curves import find_curve
from edaphon_calibration.fit import fit_curve
from edaphon_calibration.prepare import prepare_step

LINE = "raw,reference\n1900,0.10\n2100,0.17\n2400,0.29\n2700,0.41\n"
CHANNEL = ("--channel", "P1-vwc-5", "--from", "2026-03-01T00:00:00Z")
UNITS = ("--from-unit", "count", "--to-unit", "m3/m3")


@pytest.fixture
def fit(tmp_path: Path):
    """Writes the points, calls `edaphon cal fit`, tells exit code, stdout and stderr."""

    def call(text: str, *words: str) -> tuple[object, str, str]:
        points = tmp_path / "points.csv"
        points.write_bytes(text.encode("utf-8"))
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(["cal", "fit", str(points), *words])
            except SystemExit as end:
                code = end.code or 0
        return code, out.getvalue(), err.getvalue()

    return call


def row_of(text: str) -> dict:
    (row,) = tomllib.loads(text)["calibration"]
    return row


def test_a_line_through_points_becomes_a_calibration_that_check_accepts(fit, tmp_path):
    file = tmp_path / "calibration.toml"
    words = ("--operator", 'K. "Berg"', "--method", "5 cores", "--reference-standard", "oven 105 C")
    code, out, err = fit(LINE, "--curve", "linear", *UNITS, *CHANNEL, *words, "-o", str(file))
    assert (code, err) == (0, "")
    assert "linear through 4 points from 1900 to 2700 count" in out
    found = examine([file])
    assert [str(c) for c in found.config_errors] == []
    (row,) = found.rows
    assert isinstance(row.fact, Calibration)
    slope, offset = np.polyfit([1900, 2100, 2400, 2700], [0.10, 0.17, 0.29, 0.41], 1)
    assert row.fact.parameters == pytest.approx({"offset": offset, "slope": slope})
    step = prepare_step(find_curve("linear"), row.fact.parameters, row.fact.covariance)
    own = fit_curve("linear", [1900.0, 2100, 2400, 2700], [0.10, 0.17, 0.29, 0.41])
    assert step.covariance == pytest.approx(own.covariance)
    assert (row.fact.id, row.fact.operator) == ("P1-vwc-5-2026-03-01", 'K. "Berg"')
    assert (row.fact.from_unit, row.fact.to_unit) == ("count", "m**3/m**3")
    sha256 = hashlib.sha256(LINE.encode()).hexdigest()
    assert (row.fact.evidence, row.fact.certificate) == ({"points.csv": sha256}, "")
    assert row.fact.domain == (1900.0, 2700.0)
    assert row.fact.method.startswith("5 cores; fit of 4 points from 1900 to 2700 count; residual")
    assert "beyond that it is an extrapolation" in file.read_text()


def test_without_a_file_to_write_the_row_goes_to_stdout(fit):
    code, out, _ = fit(LINE, "--curve", "linear", *UNITS, "--sensor", "T12-1", "--output", "counts")
    row = row_of(out)
    assert (code, row["sensor"], row["output"]) == (0, "T12-1", "counts")
    assert "Without `from` it counts for all times." in out
    assert "from" not in row


def test_the_points_come_along_and_are_never_put_over_other_ones(fit, tmp_path):
    (tmp_path / "inbox").mkdir()
    file = tmp_path / "inbox" / "c.toml"
    words = ("--curve", "linear", *UNITS, *CHANNEL)
    code, out, _ = fit(LINE, *words, "-o", str(file), "--json")
    points = tmp_path / "inbox" / "points.csv"
    assert (code, points.read_text()) == (0, LINE)
    assert json.loads(out)["written"] == [str(points), str(file)]
    assert examine([file]).config_errors == ()
    points.write_text(LINE + "2800,0.45\n")
    other = tmp_path / "inbox" / "d.toml"
    code, _, err = fit(LINE, *words, "--id", "d", "-o", str(other))
    assert (code, other.exists()) == (1, False)
    assert "is there already with other content; give points.csv another name" in err


@pytest.mark.parametrize(
    ("curve", "text", "units"),
    [
        ("two_point", "raw,reference\n1,2\n3,4\n", UNITS),
        (
            "offset",
            "raw,reference\n1,2\n3,4\n5,6.1\n",
            ("--from-unit", "degC", "--to-unit", "degC"),
        ),
    ],
)
def test_points_that_span_nothing_state_no_domain(fit, curve, text, units):
    code, out, err = fit(text, "--curve", curve, *units, *CHANNEL)
    assert (code, err) == (0, "")
    assert "domain" not in row_of(out)


def test_the_fact_that_it_puts_right_need_not_be_known_here(fit):
    code, out, _ = fit(LINE, "--curve", "linear", *UNITS, *CHANNEL, "--supersedes", "old")
    assert (code, row_of(out)["supersedes"]) == (0, "old")


def test_a_file_that_is_there_is_left_alone(fit, tmp_path):
    file = tmp_path / "c.toml"
    file.write_text("# applied\n")
    code, _, err = fit(LINE, "--curve", "linear", *UNITS, *CHANNEL, "-o", str(file))
    assert (code, file.read_text()) == (1, "# applied\n")
    assert "never edited" in err


def test_a_known_parameter_keeps_its_place_in_the_curves_order(fit, tmp_path):
    file = tmp_path / "c.toml"
    words = ("--curve", "linear", "--fixed", "c0=-0.6", *UNITS, *CHANNEL, "-o", str(file))
    assert fit(LINE, *words)[0] == 0
    row = row_of(file.read_text())
    assert list(row["parameters"]) == ["offset", "slope"]
    assert row["parameters"]["offset"] == -0.6
    assert row["covariance"][0] == [0.0, 0.0]
    assert row["covariance"][1][1] > 0
    assert "3 degrees of freedom" in file.read_text()
    assert examine([file]).config_errors == ()


def test_rings_from_the_balance_give_the_true_water_content(fit):
    text = "raw;wet_g;dry_g;volume_cm3\n2000;142,0;130,0;100\n2200;150,0;129,0;100\n"
    text += "2400;158,5;130,5;100\n2600;164,0;128,0;100\n"
    code, out, err = fit(text, "--curve", "linear", "--from-unit", "count", *CHANNEL)
    assert (code, err) == (0, "")
    theta = [0.12, 0.21, 0.28, 0.36]
    expected = np.polyfit([2000, 2200, 2400, 2600], theta, 1)
    assert row_of(out)["parameters"]["slope"] == pytest.approx(expected[0])
    assert row_of(out)["to_unit"] == "m**3/m**3"


def test_an_error_of_the_bulk_density_is_one_of_all_points(fit):
    text = "raw,gravimetric,bulk_density\n4,0.02,1.3\n9,0.1,1.3\n16,0.2,1.3\n25,0.29,1.3\n"
    words = ("--curve", "square_root", "--from-unit", "dimensionless", *CHANNEL)
    alone, shared = (
        row_of(fit(text, *words, "--u-bulk-density", u)[1])["covariance"] for u in ("0", "0.13")
    )
    theta = np.array([0.02, 0.1, 0.2, 0.29]) * 1.3
    own = fit_curve("square_root", [4.0, 9, 16, 25], theta, u_reference=theta * 0.1)
    assert shared == pytest.approx(np.array(own.covariance))
    assert shared[1][1] > alone[1][1]


def test_a_reference_in_another_unit_is_brought_to_the_curves(fit):
    curve = ("--curve", "zero_span", "--sensor", "S1", "--output", "co2")
    text = "raw,reference,u_reference\n1004.8,0.0998,0.0005\n3.2,0,0\n"
    row = row_of(fit(text, *curve, "--from-unit", "ppm", "--to-unit", "%")[1])
    known = row["parameters"]
    assert known["raw_zero"] == 3.2
    assert known["span_gas"] == pytest.approx(998.0 if row["to_unit"] == "ppm" else 0.0998)
    variance = row["covariance"][list(known).index("span_gas")][list(known).index("span_gas")]
    assert variance == pytest.approx(25.0 if row["to_unit"] == "ppm" else 0.0005**2)


def test_a_percent_is_a_hundredth_for_a_curve_with_units_of_its_own(fit):
    text = "raw,reference\n1900,10\n2100,17\n2400,29\n2700,41\n"
    words = ("--curve", "teros12_mineral", "--from-unit", "count", *CHANNEL)
    row = row_of(fit(text, *words, "--to-unit", "%", "--u-point", "2")[1])
    same = row_of(fit(LINE, *words, "--u-point", "0.02")[1])
    assert row["parameters"] == pytest.approx(same["parameters"])
    assert np.array(row["covariance"]) == pytest.approx(np.array(same["covariance"]))
    assert row["to_unit"] == "m**3/m**3"


@pytest.mark.parametrize(
    ("text", "words", "stated"),
    [
        ("raw,reference\n1,2\n3,4\n", (), "expected at least 3 points for 2 free parameters"),
        ("raw,reference\n1,2\n1,4\n1,5\n", (), "they have no span"),
        (LINE + "2400,0.29\n", (), "lines 4 and 6 are the same point"),
        ("raw,reference\n1,2\n3,x\n", (), "line 3, reference: expected a number, got 'x'"),
        ("raw,reference\n1,2\n3,inf\n", (), "line 3, reference: expected a number, got 'inf'"),
        ("raw,reference\n1,2\n3,4,5\n", (), "line 3: expected 2 cells, got 3"),
        ("raw,refrence\n1,2\n", ("--y", "ref"), "expected a column 'ref'"),
        ("counts,reference\n1,2\n", (), "expected a column 'raw' in the header, got counts"),
        ("raw,wet_g\n1,2\n", (), "or wet_g, dry_g, volume_cm3"),
        ("raw,wet_g,dry_g,volume_cm3\n1,100,110,100\n", (), "line 2: soil sample: expected moist"),
        ("raw,gravimetric,bulk_density\n1,0.2,1300\n", (), "line 2: expected a bulk density"),
        ("raw,reference\n", (), "expected points below the header"),
        ("", (), "expected a header such as raw,reference"),
        ("raw,reference,u_reference\n1,2,-1\n", (), "line 2, u_reference: expected 0 or more"),
        (LINE, ("--u-bulk-density", "0.1"), "expected columns with a bulk density"),
    ],
)  # fmt: skip
def test_points_that_make_no_calibration_are_refused_with_the_reason(fit, text, words, stated):
    code, out, err = fit(text, "--curve", "linear", *_units(text), *CHANNEL, *words)
    assert (code, out) == (1, "")
    assert stated in err
    assert "points.csv: " in err


def _units(text: str) -> tuple[str, ...]:
    return UNITS if "gravimetric" not in text and "wet_g" not in text else UNITS[:2]


@pytest.mark.parametrize(
    ("words", "code", "stated"),
    [
        (("--curve", "lineer", *UNITS, *CHANNEL), 2, "did you mean linear"),
        (("--curve", "linear", *UNITS), 2, "either --channel ID, or --sensor"),
        (("--curve", "linear", *UNITS, "--sensor", "A"), 2, "with --output NAME"),
        (("--curve", "linear", *UNITS, *CHANNEL, "--fixed", "gain=1"), 2, "its parameters"),
        (("--curve", "linear", *UNITS, *CHANNEL, "--fixed", "c0"), 2, "NAME=VALUE"),
        (("--curve", "linear", *UNITS, *CHANNEL, "--start", "c0=nan"), 2, "finite number"),
        (("--curve", "linear", *UNITS, *CHANNEL, "--u-point", "-1"), 2, "0 or more"),
        (("--curve", "polynomial", *UNITS, *CHANNEL), 2, "--degree from 1 to 6"),
        (("--curve", "linear", *UNITS, "--channel", "P 1"), 2, "calibration.channel"),
        (("--curve", "linear", *UNITS, "--channel", "P1", "--from", "2026-03"), 2, "2026-04-01T"),
        (("--curve", "linear", "--to-unit", "m3/m3", *CHANNEL), 1, "expected --from-unit"),
        (("--curve", "linear", "--from-unit", "cnt", *UNITS[2:], *CHANNEL), 1, "expected a unit"),
        (("--curve", "teros12_mineral", "--from-unit", "mV", *CHANNEL), 1, "mV"),
        (("--curve", "two_point", *UNITS, *CHANNEL), 1, "linear fits more of them"),
        (("--curve", "cs616_temperature", *CHANNEL), 1, "takes two"),
    ],
)  # fmt: skip
def test_what_was_asked_for_wrongly_is_reported_before_anything_is_written(
    fit, tmp_path, words, code, stated
):
    file = tmp_path / "never.toml"
    found, _, err = fit(LINE, *words, "-o", str(file))
    assert (found, file.exists()) == (code, False)
    assert stated in err


def test_repeated_measurements_may_be_equal_when_it_is_stated(fit):
    text = "raw,reference\n0.12,0\n0.10,0\n0.12,0\n"
    words = ("--curve", "offset", "--from-unit", "degC", "--to-unit", "degC", "--repeats")
    code, out, _ = fit(text, *words, "--u-reference", "0.01", *CHANNEL)
    assert code == 0
    assert row_of(out)["parameters"]["offset"] == pytest.approx(-0.34 / 3)


def test_as_json_the_residuals_and_the_files_are_shown_too(fit, tmp_path):
    plot = tmp_path / "fit.svg"
    words = ("--curve", "polynomial", "--degree", "1", *UNITS, *CHANNEL, "--plot", str(plot))
    code, out, _ = fit(LINE, *words, "--json")
    found = json.loads(out)
    assert (code, found["n"], found["dof"], found["range"]) == (0, 4, 2, [1900, 2700])
    slope, offset = found["calibration"]["parameters"]["c1"], found["calibration"]["parameters"]
    left = [0.10 - offset["c0"] - slope * 1900, 0.41 - offset["c0"] - slope * 2700]
    assert [found["residuals"][0], found["residuals"][3]] == pytest.approx(left)
    assert found["written"] == [str(plot)]


def test_the_picture_has_a_point_and_a_residual_for_each_line_of_the_file(fit, tmp_path):
    plot = tmp_path / "fit.svg"
    fit(LINE, "--curve", "linear", *UNITS, *CHANNEL, "--plot", str(plot), "--u-point", "0.01")
    tree = ET.fromstring(plot.read_text("utf-8"))  # noqa: S314
    centres = [
        (float(c.get("cx", "")), float(c.get("cy", ""))) for c in tree.iter() if "circle" in c.tag
    ]
    assert len(centres) == 8
    assert (
        [x for x, _ in centres[:4]]
        == [x for x, _ in centres[4:]]
        == sorted(x for x, _ in centres[:4])
    )
    ys = [y for _, y in centres[:4]]
    assert ys == sorted(ys, reverse=True)
    words = [text.text for text in tree.iter() if text.tag.endswith("text")]
    assert {"reading [count]", "true value [m**3/m**3]", "residual", "2000", "0.2"} <= set(words)
    assert plot.read_text().count("<polygon") == 1


def test_a_picture_of_points_without_scatter_or_width_has_only_finite_numbers():
    done = fit_curve("offset", [0.1], [0.0])
    one = np.array([0.1]), np.array([0.0]), np.array([0.0])
    text = fit_svg(done, *one, ("<x>", "y & z"), "a < b")
    assert "nan" not in text
    assert "inf" not in text
    assert "&lt;x&gt;" in text
    assert not re.search(r"<polygon", text)
    ET.fromstring(text)  # noqa: S314
