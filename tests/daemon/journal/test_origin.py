"""A journal on another machine has an id of its own, and its entries go on."""

from pathlib import Path

import pytest
from tests.daemon.journal.entries import SetClock, commit, everything, record

from edaphon.acquire.broker import client_id
from edaphon.config import read_config
from edaphon.journal import EntryId, Journal, Origin, store
from edaphon.journal.copies import machine_marks, origin_of
from edaphon.toml_input.lines import read_document

BOARD, OTHER = ("serial 1000", "address b8:27:eb:00:00:01"), ("serial 2000",)
CONFIGURATION = """
[logger]
id = "l1"
[site]
id = "s"
[storage]
folder = "/nowhere"
[broker.a]
host = "h"
topics = ["#"]
[broker.b]
host = "h"
topics = ["#"]
client_id = "mine"
"""


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, machine: tuple[str, ...]) -> Journal:
    monkeypatch.setattr(store, "machine_marks", lambda: machine)
    return Journal.open(folder, SetClock())


def test_another_machine_gives_another_id_and_numbers_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, monkeypatch, BOARD) as journal:
        commit(journal, [record(1)])
        first = journal.id
    with opened(tmp_path, monkeypatch, OTHER) as journal:
        second = journal.id
        assert commit(journal, [record(2)]) == [EntryId(2, 1)]
        assert everything(journal) == [record(1), record(2)]
    assert second != first
    with opened(tmp_path, monkeypatch, OTHER) as journal:
        assert journal.id == second, "the id is changed once"
        assert commit(journal, [record(3)]) == [EntryId(2, 2)]


@pytest.mark.parametrize("machine", [BOARD, BOARD[:1], (*OTHER, BOARD[1]), ()])
def test_a_machine_that_shares_a_mark_or_has_none_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: tuple[str, ...]
) -> None:
    with opened(tmp_path, monkeypatch, BOARD) as journal:
        first = journal.id
    for _ in range(2):
        with opened(tmp_path, monkeypatch, machine) as journal:
            assert journal.id == first


def test_a_new_id_that_was_not_yet_in_a_file_is_kept(tmp_path: Path) -> None:
    Origin("1" * 32, BOARD, "1" * 12).write(tmp_path)
    changed = origin_of(tmp_path, "1" * 32, OTHER)
    changed.write(tmp_path)  # and the power goes before the new file is there
    assert origin_of(tmp_path, "1" * 32, OTHER) == changed


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"journal": 4, "machine": [], "named": ""}']
)
def test_a_damaged_note_of_the_machine_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with opened(tmp_path, monkeypatch, BOARD) as journal:
        commit(journal, [record(1)])
        first = journal.id
    (tmp_path / "origin.json").write_text(text)
    with opened(tmp_path, monkeypatch, BOARD) as journal:
        assert journal.id == first
        assert everything(journal) == [record(1)]


def test_a_journal_of_an_older_version_keeps_the_names_that_it_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, config_errors = read_config(read_document("edaphon.toml", CONFIGURATION))
    assert config is not None, config_errors

    def named(journal: Journal) -> list[str]:
        return [client_id(n, config.brokers[n], "l1", journal.origin) for n in ("a", "b")]

    with opened(tmp_path, monkeypatch, BOARD) as journal:
        commit(journal, [record(1)])
        assert named(journal) == [f"edaphon-l1-a-{journal.id[:12]}", "mine"]
    (tmp_path / "origin.json").unlink()  # as an older version left it
    with opened(tmp_path, monkeypatch, BOARD) as journal:
        assert named(journal) == ["edaphon-l1-a", "mine"]
    with opened(tmp_path, monkeypatch, OTHER) as journal:
        assert named(journal) == [f"edaphon-l1-a-{journal.id[:12]}", "mine"]


def test_a_machine_is_known_by_its_board_and_its_own_network_hardware(tmp_path: Path) -> None:
    assert machine_marks(tmp_path) == ()
    tree = tmp_path / "proc" / "device-tree"
    tree.mkdir(parents=True)
    (tree / "serial-number").write_bytes(b"100000003d1d1c36\0")
    cards = [
        ("eth0", "b8:27:eb:00:00:01", "0", True),
        ("veth1", "b8:27:eb:00:00:02", "0", False),  # made by software
        ("wlan0", "da:a1:19:00:00:03", "3", True),  # changed by its driver
        ("usb0", "02:1e:10:1f:00:00", "0", True),  # alike in many modems
    ]
    for name, address, kind, device in cards:
        card = tmp_path / "sys" / "class" / "net" / name
        card.mkdir(parents=True)
        (card / "address").write_text(f"{address}\n")
        (card / "addr_assign_type").write_text(f"{kind}\n")
        if device:
            (card / "device").mkdir()
    assert machine_marks(tmp_path) == ("serial 100000003d1d1c36", "address b8:27:eb:00:00:01")
    (tree / "serial-number").write_bytes(b"0000000000000000\0")
    assert machine_marks(tmp_path) == ("address b8:27:eb:00:00:01",)
