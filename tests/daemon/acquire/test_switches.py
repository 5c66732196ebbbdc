"""Supplies and multiplexers: on before the first word, off after the last, whatever happens."""

from pathlib import Path

import pytest

from edaphon.acquire.switches import BranchSwitch, NotSwitched, SupplySwitch, branched, powered
from edaphon_drivers.faults import NoAnswer
from edaphon_drivers.talk import Ask, Pause

QUESTION = Ask(b"a!", b"\r\n", 1.0)


def talk(n=1):
    for _ in range(n):
        yield QUESTION


def supply(folder: Path, name="relay", warm_up_s=30.0):
    return SupplySwitch(folder / name, "1", "0", warm_up_s)


def test_an_instrument_warms_up_on_a_free_line_and_is_switched_off_at_the_end(tmp_path):
    held = powered(talk(), supply(tmp_path), warm_up_s=45.0)
    wait = next(held)
    assert (tmp_path / "relay").read_text() == "1"
    assert isinstance(wait, Pause)
    assert not wait.hold_bus
    assert wait.wait_s == pytest.approx(45, abs=1)
    assert held.send(b"") == QUESTION
    with pytest.raises(StopIteration):
        held.send(b"a\r\n")
    assert (tmp_path / "relay").read_text() == "0"


@pytest.mark.parametrize("how", ["fault", "closed"])
def test_a_talk_that_breaks_off_leaves_its_supply_off(tmp_path, how):
    def failing():
        yield QUESTION
        raise NoAnswer("an answer")

    held = powered(failing(), supply(tmp_path, warm_up_s=0.0), 0.0)
    assert next(held) == QUESTION
    if how == "fault":
        with pytest.raises(NoAnswer):
            held.send(b"")
    else:
        held.close()
    assert (tmp_path / "relay").read_text() == "0"


def test_a_supply_stays_on_for_the_last_of_its_users_who_need_not_wait_again(tmp_path):
    relay = supply(tmp_path)
    assert relay.take() == pytest.approx(30, abs=1)
    assert relay.take(10.0) <= 30
    relay.give()
    assert (tmp_path / "relay").read_text() == "1"
    relay.give()
    assert (tmp_path / "relay").read_text() == "0"


def test_two_supplies_of_one_address_are_never_on_together(tmp_path):
    north, south = supply(tmp_path, "north", 0.0), supply(tmp_path, "south", 0.0)
    north.apart.add(south)
    south.apart.add(north)
    first, second = powered(talk(), north, 0.0), powered(talk(), south, 0.0)
    assert next(first) == QUESTION
    assert isinstance(next(second), Pause)
    assert not (tmp_path / "south").exists()
    first.close()
    assert second.send(b"") == QUESTION
    assert (tmp_path / "north").read_text() == "0"
    assert (tmp_path / "south").read_text() == "1"


def test_a_supply_that_cannot_be_switched_is_a_fault_with_its_file(tmp_path):
    relay = SupplySwitch(tmp_path / "gone" / "relay", "1", "0", 0.0)
    with pytest.raises(NotSwitched, match="let this user write it"):
        next(powered(talk(), relay, 0.0))
    assert not relay.used


def test_each_question_goes_out_on_its_branch_however_talks_take_turns(tmp_path):
    switch = BranchSwitch(tmp_path / "mux", {"north": "N", "south": "S"}, 0.05)
    north, south = branched(talk(2), switch, "north"), branched(talk(1), switch, "south")
    assert next(north) == Pause(0.05, hold_bus=True)
    assert north.send(b"") == QUESTION
    assert (tmp_path / "mux").read_text() == "N"
    assert next(south) == Pause(0.05, hold_bus=True)
    assert south.send(b"") == QUESTION
    assert (tmp_path / "mux").read_text() == "S"
    assert north.send(b"a\r\n") == Pause(0.05, hold_bus=True)
    assert north.send(b"") == QUESTION
    assert (tmp_path / "mux").read_text() == "N"


def test_a_talk_that_is_broken_off_on_its_branch_ends_itself(tmp_path):
    ended = []

    def clearing():
        try:
            yield QUESTION
        finally:
            ended.append(True)

    inner = clearing()  # held here, so that nothing but its end can end it
    held = branched(inner, BranchSwitch(tmp_path / "mux", {"north": "N"}, 0.0), "north")
    next(held)
    held.send(b"")
    held.close()
    assert ended == [True]
