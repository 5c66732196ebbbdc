"""Files that commands write where a person says: what is there already is not lost."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from tests.daemon.commands.calling import call_plain

from edaphon.commands.check import write_new, write_own

BEGINS = "<svg ours"
Made = Callable[[Path, Path], object]
# Each as `path`, where another file `mine` has what must stay.
OTHERS: dict[str, Made] = {
    "a file": lambda path, _: path.write_text("mine"),
    "a shorter one": lambda path, _: path.write_text("<"),
    "a link": lambda path, mine: path.symlink_to(mine),
    "a hard link": lambda path, mine: path.hardlink_to(mine),
    "a link that leads nowhere": lambda path, mine: path.symlink_to(mine.with_name("nothing")),
    "a pipe": lambda path, _: os.mkfifo(path),
    "a device": lambda path, _: path.symlink_to("/dev/zero"),
    "a folder": lambda path, _: path.mkdir(),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_what_is_there_stays(tmp_path: Path, make: Made) -> None:
    mine, path = tmp_path / "mine", tmp_path / "path"
    mine.write_text("mine")
    make(path, mine)
    before = path.read_text() if path.is_file() else None
    for write in (lambda: write_new(path, "new"), lambda: write_own(path, "new", BEGINS)):
        with pytest.raises(typer.Exit) as refused:
            write()
        assert refused.value.exit_code == 2
    assert mine.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()
    assert before is None or path.read_text() == before


def test_an_earlier_file_of_ours_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    for text in (f"{BEGINS} and long", f"{BEGINS} short"):
        write_own(path, text, BEGINS)
        assert path.read_text() == text


def test_a_fit_writes_its_picture_again_and_over_no_other_file(tmp_path: Path) -> None:
    points, other = tmp_path / "points.csv", tmp_path / ".bashrc"
    points.write_text("x,y\n" + "".join(f"{n},{1.5 * n + 0.1 * (n % 2)}\n" for n in range(1, 9)))
    other.write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "nothing")
    units = ("--from-unit", "degC", "--to-unit", "degC", "--from", "2026-01-01T00:00:00Z")
    columns = ("--x", "x", "--y", "y", "--curve", "linear", "--channel", "c")
    words = ("cal", "fit", str(points), *columns, *units)
    for _ in range(2):
        call_plain(*words, "--plot", str(tmp_path / "fit.svg"))
    _, complained = call_plain(*words, "--plot", str(other), codes=(2,))
    assert f"got {other}, which is neither" in complained
    call_plain(*words, "-o", str(tmp_path / "nowhere"), codes=(1,))
    assert other.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


def test_a_simulated_plot_takes_no_other_configurations_place(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    file.write_text(
        f'[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{tmp_path}/data"\n'
    )
    before = file.read_text()
    call_plain("simulate", str(file), "--folder", str(tmp_path), codes=(2,))
    assert file.read_text() == before
