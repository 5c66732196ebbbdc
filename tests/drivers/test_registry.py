"""Parts that are known by name: what is built in, and what another package adds."""

from importlib.metadata import EntryPoint

import pytest

from edaphon_drivers import registry
from edaphon_drivers.registry import CODECS, ENGINES, ENVELOPES, LINKS, MODEL_SHEETS, Registry

REGISTRIES = [CODECS, ENGINES, ENVELOPES, LINKS, MODEL_SHEETS]


@pytest.mark.parametrize("known", REGISTRIES, ids=lambda known: known.group)
def test_every_built_in_part_can_be_loaded(known: Registry) -> None:
    assert known.built_in == known.names()
    assert all(known.load(name) is known.load(name) for name in known.names())


def test_a_part_of_another_package_is_imported_when_it_is_needed() -> None:
    known = Registry("edaphon.things", "thing", {"first": "json:loads"})
    known.add(EntryPoint("lost", "no_such_package:thing", "edaphon.things"))
    known.add(EntryPoint("second", "json:dumps", "edaphon.things"))
    assert known.names() == ("first", "lost", "second")
    assert [part.name for part in known.added()] == ["lost", "second"]
    assert known.load("second")({"a": 1}) == '{"a": 1}'
    with pytest.raises(ModuleNotFoundError):
        known.load("lost")
    known.remove("second")
    with pytest.raises(registry.UnknownPart, match="expected one of first, lost as thing"):
        known.load("second")


def test_what_is_built_in_is_neither_replaced_nor_removed() -> None:
    known = Registry("edaphon.things", "thing", {"first": "json:loads"})
    with pytest.raises(ValueError, match="there already"):
        known.add(EntryPoint("first", "json:dumps", "edaphon.things"))
    with pytest.raises(ValueError, match="built in"):
        known.remove("first")
