"""Parts that are known by name: what is built in, and what another package adds."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edaphon.alerts.receivers import RECEIVERS
from edaphon.sinks.sink import SINKS
from edaphon_drivers.registry import (
    CODECS,
    ENGINES,
    ENVELOPES,
    LINKS,
    MODEL_SHEETS,
    Registry,
    UnknownPart,
    installed_parts,
)

REGISTRIES = [CODECS, ENGINES, ENVELOPES, LINKS, MODEL_SHEETS, RECEIVERS, SINKS]


@pytest.mark.parametrize("known", REGISTRIES, ids=lambda known: known.group)
def test_every_built_in_part_can_be_loaded(known: Registry) -> None:
    assert known.names()
    assert list(known.foreign()) == list(known.problems()) == []
    assert all(known.load(name) is known.load(name) for name in known.names())


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    installed_parts.cache_clear()
    yield tmp_path
    installed_parts.cache_clear()


def install(folder: Path, name: str, version: str, **parts: str) -> None:
    """What an installer leaves of a package with these parts of the group edaphon.engines."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    rows = "".join(f"{part} = {value}\n" for part, value in parts.items())
    (info / "entry_points.txt").write_text(f"[edaphon.engines]\n{rows}")


def test_a_part_of_another_package_is_imported_when_it_is_needed(installed: Path) -> None:
    install(installed, "good", "1.0", second="json:dumps")
    install(installed, "bad", "2.0", lost="no_such_package:thing")
    known = Registry("edaphon.engines", "engine")
    assert {"ascii", "lost", "second"} <= set(known.names())
    assert list(known.foreign()) == [("lost", "bad 2.0"), ("second", "good 1.0")]
    assert known.load("second")({"a": 1}) == '{"a": 1}'
    assert known.package("ascii") == known.problem("ascii") == known.problem("second") == ""
    with pytest.raises(UnknownPart, match="engine 'lost' of bad 2.0 can't be used: ModuleNotFound"):
        known.load("lost")
    with pytest.raises(UnknownPart, match="expected one of ascii, .* as engine, got 'third'"):
        known.load("third")


def test_a_name_that_two_packages_give_is_an_error_that_names_both(installed: Path) -> None:
    install(installed, "one", "1.0", mine="json:dumps", ascii="json:dumps")
    install(installed, "two", "2.0", mine="json:loads")
    known = Registry("edaphon.engines", "engine")
    with pytest.raises(UnknownPart, match="'mine' is in one 1.0 and two 2.0: remove one of them"):
        known.load("mine")
    assert known.load("ascii") is sys.modules["edaphon_drivers.ascii.engine"]
    problems = list(known.problems())
    assert len(problems) == 2
    assert re.search("engine 'ascii' is in edaphon .* and one 1.0: remove one of", problems[0])
