"""Supplies and multiplexers: on before the first word, off after the last, whatever happens."""

import pytest
from tests.switch import SwitchDevice

from edaphon.acquire.switches import (
    BranchSwitch,
    NotSwitched,
    SupplySwitch,
    branched,
    powered,
    supply_switches,
)
from edaphon.config import read_config
from edaphon.toml_input.lines import read_document
from edaphon_drivers.faults import NoAnswer
from edaphon_drivers.talk import Ask, Pause

QUESTION = Ask(b"a!", b"\r\n", 1.0)


def talk(n=1):
    for _ in range(n):
        yield QUESTION


def supply(device: SwitchDevice, warm_up_s=30.0):
    return SupplySwitch(device.path, "1", "0", warm_up_s)


@pytest.fixture
def relay() -> SwitchDevice:
    return SwitchDevice()


@pytest.fixture
def mux() -> SwitchDevice:
    return SwitchDevice()


def test_an_instrument_warms_up_on_a_free_line_and_is_switched_off_at_the_end(relay):
    held = powered(talk(), supply(relay), warm_up_s=45.0)
    wait = next(held)
    assert relay.last == "1"
    assert isinstance(wait, Pause)
    assert not wait.hold_bus
    assert wait.wait_s == pytest.approx(45, abs=1)
    assert held.send(b"") == QUESTION
    with pytest.raises(StopIteration):
        held.send(b"a\r\n")
    assert relay.last == "0"


@pytest.mark.parametrize("how", ["fault", "closed"])
def test_a_talk_that_breaks_off_leaves_its_supply_off(relay, how):
    def failing():
        yield QUESTION
        raise NoAnswer("an answer")

    held = powered(failing(), supply(relay, warm_up_s=0.0), 0.0)
    assert next(held) == QUESTION
    if how == "fault":
        with pytest.raises(NoAnswer):
            held.send(b"")
    else:
        held.close()
    assert relay.last == "0"


def test_a_supply_stays_on_for_the_last_of_its_users_who_need_not_wait_again(relay):
    switch = supply(relay)
    assert switch.take() == pytest.approx(30, abs=1)
    assert switch.take(10.0) <= 30
    switch.give()
    assert relay.last == "1"
    switch.give()
    assert relay.last == "0"


def test_two_supplies_of_one_address_are_never_on_together():
    devices = SwitchDevice(), SwitchDevice()
    north, south = (supply(device, 0.0) for device in devices)
    north.apart.add(south)
    south.apart.add(north)
    first, second = powered(talk(), north, 0.0), powered(talk(), south, 0.0)
    assert next(first) == QUESTION
    assert isinstance(next(second), Pause)
    assert devices[1].taken == ""
    first.close()
    assert second.send(b"") == QUESTION
    assert devices[0].last == "0"
    assert devices[1].last == "1"


def test_a_supply_that_cannot_be_switched_is_a_fault_with_its_file(tmp_path):
    relay = SupplySwitch(tmp_path / "gone" / "relay", "1", "0", 0.0)
    with pytest.raises(NotSwitched, match="let this user write it"):
        next(powered(talk(), relay, 0.0))
    assert not relay.used


def test_each_question_goes_out_on_its_branch_however_talks_take_turns(mux):
    switch = BranchSwitch(mux.path, {"north": "N", "south": "S"}, 0.05)
    north, south = branched(talk(2), switch, "north"), branched(talk(1), switch, "south")
    assert next(north) == Pause(0.05, hold_bus=True)
    assert north.send(b"") == QUESTION
    assert mux.last == "N"
    assert next(south) == Pause(0.05, hold_bus=True)
    assert south.send(b"") == QUESTION
    assert mux.last == "S"
    assert north.send(b"a\r\n") == Pause(0.05, hold_bus=True)
    assert north.send(b"") == QUESTION
    assert mux.last == "N"


def test_a_talk_that_is_broken_off_on_its_branch_ends_itself(mux):
    ended = []

    def clearing():
        try:
            yield QUESTION
        finally:
            ended.append(True)

    inner = clearing()  # held here, so that nothing but its end can end it
    held = branched(inner, BranchSwitch(mux.path, {"north": "N"}, 0.0), "north")
    next(held)
    held.send(b"")
    held.close()
    assert ended == [True]


def test_only_supplies_that_feed_one_address_of_one_line_are_never_on_together(tmp_path):
    text = f'[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{tmp_path}"\n'
    for bus in "mn":
        text += f'[bus.{bus}]\nkind = "sdi12"\nport = "/dev/{bus}"\n'
    for name in "xyzw":
        text += f'[supply.{name}]\nfile = "/sys/class/gpio/{name}"\n'
    places = [("m", "a", "x"), ("m", "a", "y"), ("m", "b", "z"), ("n", "a", "w"), ("n", "b", "")]
    for bus, address, name in places:
        text += f'[[source]]\nbus = "{bus}"\naddress = "{address}"\nmodel = "meter.teros12"\n'
        text += 'interval = "1h"\n' + (f'supply = "{name}"\n' if name else "")
    config, errors = read_config(read_document("edaphon.toml", text))
    assert config is not None, errors
    switches = supply_switches(config)
    apart = {n: {k for k in switches if switches[k] in one.apart} for n, one in switches.items()}
    assert apart == {"x": {"y"}, "y": {"x"}, "z": set(), "w": set()}
