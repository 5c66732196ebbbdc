"""A second simulated plot in the same folder leaves the first one alone."""

from pathlib import Path

import pytest
import typer

from edaphon.commands.simulate import _alone_in
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus


def test_a_folder_is_simulated_once_at_a_time(tmp_path: Path) -> None:
    with _alone_in(tmp_path), pytest.raises(typer.Exit) as ended, _alone_in(tmp_path):
        pass
    assert ended.value.exit_code == 75
    with _alone_in(tmp_path):
        pass


def test_a_port_that_ends_leaves_the_link_of_another(tmp_path: Path) -> None:
    first, second = (
        SimulatedBus((Probe("a", "13METER   TER12 600", (1.0,)),), link=tmp_path / "port")
        for _ in range(2)
    )
    first.start()
    second.start()
    first.stop()
    assert (tmp_path / "port").exists()
    second.stop()
    assert not (tmp_path / "port").is_symlink()
