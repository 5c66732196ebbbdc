"""One owner of a port holds many talks: neighbours, faults, deadlines, a pulled plug."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from edaphon.acquire.bus import AlreadyTalking, BusOwner, Finished
from edaphon.clock import SystemClock
from edaphon_drivers.faults import Garbled, LinkDown
from edaphon_drivers.links.serial import SerialLink, SerialOptions
from edaphon_drivers.sdi12.engine import (
    acknowledge,
    ask_identity,
    decode_exchange,
    last_identity,
    measure,
)
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.sdi12 import FAULTS, Probe, SimulatedBus
from edaphon_drivers.talk import Ask, Asking, Pause, Talk, Timing

_SHEET = load_sheet("meter.teros12")
_QUICK = Timing(answer_s=0.15, gap_s=0.01, late_s=0.1, second_s=0.05)
_SECOND_S = 0.01


def _probe(address: str, counts: float = 1807.82, service_request: bool = True) -> Probe:
    return Probe(
        address,
        f"13METER   TER12 201T12-0000000{address}",
        lambda: [counts, 21.0, 1],
        service_request=service_request,
        late_s=0.2,
    )


@contextmanager
def _running(*probes: Probe, link: Path | None = None) -> Iterator[tuple[SimulatedBus, BusOwner]]:
    simulated = SimulatedBus(probes, _SECOND_S, link)
    path = simulated.start()
    bus = BusOwner(
        "sdi12",
        lambda: SerialLink(path),
        SystemClock(),
        quiet_s=0.004,
        reopen_after_s=(0.02, 0.1),
    )
    bus.start()
    try:
        yield simulated, bus
    finally:
        bus.stop()
        simulated.stop()


class _Ends:
    """Collects how talks ended, and waits for them."""

    def __init__(self) -> None:
        self.all: list[Finished] = []
        self._news = threading.Condition()

    def __call__(self, finished: Finished) -> None:
        with self._news:
            self.all.append(finished)
            self._news.notify()

    def wait(self, n: int = 1) -> list[Finished]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.all) >= n, timeout=40), self.all
        return self.all


def _hold(bus: BusOwner, address: str, talk: Talk[object], deadline_s: float = 20) -> Finished:
    ends = _Ends()
    bus.submit(address, talk, deadline_s, ends)
    return ends.wait()[0]


def _numbers(finished: Finished) -> list[float | None]:
    assert finished.fault is None
    return [reading.number for reading in decode_exchange(finished.turns, _SHEET)]


def test_a_measurement_over_a_pseudo_terminal_gives_what_the_probe_measured() -> None:
    with _running(_probe("1")) as (_, bus):
        finished = _hold(bus, "1", measure("1", _SHEET, Asking(_QUICK)))
        assert _numbers(finished) == [1807.82, 21.0, 1.0]
        assert [turn.data for turn in finished.turns if turn.sent] == [b"1M!", b"1D0!"]
        assert [turn.ms for turn in finished.turns] == sorted(turn.ms for turn in finished.turns)


def test_a_concurrent_measurement_with_crc_gives_the_same() -> None:
    with _running(_probe("z")) as (_, bus):
        finished = _hold(bus, "z", measure("z", _SHEET, Asking(_QUICK, True, True)))
        assert _numbers(finished) == [1807.82, 21.0, 1.0]
        assert finished.turns[0].data == b"zCC!"


def test_a_probe_without_service_request_is_asked_after_its_time() -> None:
    with _running(_probe("1", service_request=False)) as (_, bus):
        assert _numbers(_hold(bus, "1", measure("1", _SHEET, Asking(_QUICK))))[0] == 1807.82


def test_identity_and_acknowledgement_come_through() -> None:
    with _running(_probe("1")) as (_, bus):
        identity = last_identity(_hold(bus, "1", ask_identity("1", _QUICK)).turns)
        assert identity is not None
        assert identity.extra == "T12-00000001"
        assert _hold(bus, "1", acknowledge("1", _QUICK)).fault is None
        assert _hold(bus, "?", acknowledge("?", _QUICK)).fault is None


def test_five_concurrent_probes_share_the_line_and_the_waiting_time() -> None:
    addresses = "01aZ9"
    probes = [_probe(address, 1800 + i) for i, address in enumerate(addresses)]
    with _running(*probes) as (simulated, bus):
        ends = _Ends()
        for address in addresses:
            bus.submit(address, measure(address, _SHEET, Asking(_QUICK, True)), 20, ends)
        counts = {end.address: _numbers(end)[0] for end in ends.wait(5)}
        assert counts == {address: 1800 + i for i, address in enumerate(addresses)}
        asked = [probe.asked for probe in simulated.probes.values()]
        assert asked == [[f"{address}C", f"{address}D0"] for address in addresses]


def test_a_running_measurement_is_not_aborted_by_a_neighbour() -> None:
    with _running(_probe("1", 1801), _probe("2", 1802)) as (_, bus):
        ends = _Ends()
        bus.submit("1", measure("1", _SHEET, Asking(_QUICK)), 20, ends)
        bus.submit("2", measure("2", _SHEET, Asking(_QUICK)), 20, ends)
        assert {end.address: _numbers(end)[0] for end in ends.wait(2)} == {"1": 1801, "2": 1802}
        assert all(len(end.turns) == 5 for end in ends.all)


def test_a_dead_address_ends_with_no_answer_and_its_neighbours_measure_on() -> None:
    with _running(_probe("1", 1801), _probe("2", 1802)) as (_, bus):
        ends = _Ends()
        for address in "132":
            bus.submit(address, measure(address, _SHEET, Asking(_QUICK)), 20, ends)
        ended = {end.address: end for end in ends.wait(3)}
        assert [ended["3"].fault and ended["3"].fault.cause] == ["no answer"]
        assert [turn.data for turn in ended["3"].turns] == [b"3M!"] * 9
        assert _numbers(ended["1"])[0] == 1801
        assert _numbers(ended["2"])[0] == 1802
        assert ends.all[-1].address == "3"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_single_fault_of_each_kind_is_overcome(fault: str) -> None:
    probe = _probe("1")
    with _running(probe) as (_, bus):
        probe.fail(fault, 2)
        assert _numbers(_hold(bus, "1", measure("1", _SHEET, Asking(_QUICK)))) == [1807.82, 21, 1]


def test_a_probe_that_always_aborts_ends_as_garbled() -> None:
    probe = _probe("1")
    probe.fault = lambda command: "abort"
    with _running(probe) as (_, bus):
        finished = _hold(bus, "1", measure("1", _SHEET, Asking(_QUICK)))
        assert isinstance(finished.fault, Garbled)
        assert [turn.data for turn in finished.turns].count(b"1M!") == 3


def test_an_address_that_is_talking_is_refused_a_second_talk() -> None:
    with _running(_probe("1")) as (_, bus):
        ends = _Ends()
        bus.submit("1", measure("1", _SHEET, Asking(_QUICK)), 20, ends)
        with pytest.raises(AlreadyTalking, match="1"):
            bus.submit("1", measure("1", _SHEET, Asking(_QUICK)), 20, ends)
        ends.wait()
        assert _hold(bus, "1", acknowledge("1", _QUICK)).fault is None


def test_a_listener_may_start_the_next_talk_of_the_same_address() -> None:
    with _running(_probe("1")) as (_, bus):
        second = _Ends()
        bus.submit(
            "1",
            ask_identity("1", _QUICK),
            20,
            lambda _: bus.submit("1", acknowledge("1", _QUICK), 20, second),
        )
        assert second.wait()[0].fault is None


def test_a_talk_ends_at_its_deadline_while_it_waits_for_the_probe() -> None:
    with _running(_probe("1")) as (_, bus):
        slow = Timing(answer_s=0.06, second_s=100)
        probe_gone = _hold(bus, "7", measure("7", _SHEET, Asking(Timing(answer_s=9))), 0.1)
        concurrent = _hold(bus, "1", measure("1", _SHEET, Asking(slow, True)), 0.1)
        assert probe_gone.fault is not None
        assert probe_gone.fault.cause == "no answer"
        assert concurrent.fault is not None
        assert concurrent.turns[-1].data == b"100103\r\n"


def test_a_talk_that_never_gets_the_line_ends_as_bus_busy() -> None:
    def holder() -> Talk[None]:
        yield Ask(b"1!", b"\r\n", 0.05)
        yield Pause(0.3, hold_bus=True)

    with _running(_probe("1"), _probe("2")) as (_, bus):
        ends = _Ends()
        bus.submit("1", holder(), 20, ends)
        bus.submit("2", acknowledge("2", _QUICK), 0.05, ends)
        ended = {end.address: end.fault for end in ends.wait(2)}
        assert ended["1"] is None
        assert ended["2"] is not None
        assert ended["2"].cause == "bus busy"


def test_bytes_between_talks_are_counted_and_kept_out_of_the_next_answer() -> None:
    def impatient() -> Talk[None]:
        yield Ask(b"1!", b"\r\n", 0.001)

    probe = _probe("1")
    probe.late_s = 0.03
    with _running(probe, _probe("2")) as (_, bus):
        probe.fail("late")
        _hold(bus, "1", impatient())
        time.sleep(0.2)
        finished = _hold(bus, "2", acknowledge("2", _QUICK))
        assert [turn.data for turn in finished.turns] == [b"2!", b"2\r\n"]
        assert bus.stray_bytes == 3


def test_a_pulled_plug_ends_the_talk_and_a_new_port_under_the_same_link_is_used(
    tmp_path: Path,
) -> None:
    with _running(_probe("1"), link=tmp_path / "adapter") as (simulated, bus):
        assert _hold(bus, "1", acknowledge("1", _QUICK)).fault is None
        simulated.unplug()
        lost = _hold(bus, "1", acknowledge("1", _QUICK)).fault
        assert isinstance(lost, LinkDown)
        assert str(tmp_path / "adapter") in str(lost)
        simulated.replug()
        assert _hold_until_well(bus, lambda: acknowledge("1", _QUICK)).fault is None


def _hold_until_well(bus: BusOwner, talk: Callable[[], Talk[object]]) -> Finished:
    for _ in range(200):
        finished = _hold(bus, "1", talk())
        if finished.fault is None:
            break
        time.sleep(0.01)
    return finished


def test_a_port_that_is_not_there_ends_talks_with_link_down_and_a_remedy() -> None:
    bus = BusOwner("sdi12", lambda: SerialLink("/dev/none"), SystemClock())
    bus.start()
    try:
        fault = _hold(bus, "1", acknowledge("1", _QUICK)).fault
        assert isinstance(fault, LinkDown)
        assert "/dev/serial/by-id" in str(fault)
        assert isinstance(_hold(bus, "1", acknowledge("1", _QUICK)).fault, LinkDown)
    finally:
        bus.stop()


def test_a_port_in_use_is_not_shared() -> None:
    simulated = SimulatedBus([_probe("1")])
    path = simulated.start()
    first = SerialLink(path, SerialOptions(rts=True, dtr=False))
    try:
        with pytest.raises(LinkDown, match="stop the program"):
            SerialLink(path)
    finally:
        first.close()
        simulated.stop()


def test_a_broken_talk_or_listener_is_counted_and_the_bus_goes_on() -> None:
    def broken() -> Talk[None]:
        yield Ask(b"1!", b"\r\n", 0.05)
        raise KeyError("slip")

    def deaf(finished: Finished) -> None:
        raise ValueError("slip")

    with _running(_probe("1")) as (_, bus):
        assert isinstance(_hold(bus, "1", broken()).fault, Garbled)
        bus.submit("1", acknowledge("1", _QUICK), 20, deaf)
        assert _hold_when_free(bus).fault is None
        assert bus.failures == 2


def _hold_when_free(bus: BusOwner) -> Finished:
    for _ in range(100):
        try:
            return _hold(bus, "1", acknowledge("1", _QUICK))
        except AlreadyTalking:
            time.sleep(0.01)
    raise AssertionError("the address never became free")


def test_stopping_ends_running_talks_and_refuses_new_ones() -> None:
    with _running(_probe("1", service_request=False)) as (_, bus):
        ends = _Ends()
        slow = Timing(answer_s=0.06, second_s=100)
        bus.submit("1", measure("1", _SHEET, Asking(slow)), 300, ends)
        bus.submit("2", measure("2", _SHEET, Asking(slow)), 300, ends)
        time.sleep(0.1)
        bus.stop()
        assert [end.fault and end.fault.cause for end in ends.wait(2)] == ["service off"] * 2
        with pytest.raises(AlreadyTalking, match="stopped"):
            bus.submit("1", acknowledge("1"), 1, ends)


def test_the_owner_gives_signs_of_life() -> None:
    with _running(_probe("1")) as (_, bus):
        _hold(bus, "1", acknowledge("1", _QUICK))
        before = bus.alive_ns
        _hold(bus, "1", acknowledge("1", _QUICK))
        assert bus.up
        assert bus.alive_ns > before


def test_two_thousand_transactions_under_faults_never_take_one_probe_for_another() -> None:
    """Each probe answers numbers that only it can have, new ones for each measurement."""
    chance = random.Random(5)
    addresses = "12aZ9"
    faults = {"late": 6, "doubled": 6, "garbled": 4, "residue": 4, "noise": 3, "cut": 3}

    def fault(command: str) -> str | None:
        draw = chance.randrange(100)
        for name, share in faults.items():
            draw -= share
            if draw < 0:
                return name
        return None

    stated: dict[str, list[list[float]]] = {address: [] for address in addresses}

    def values(address: str) -> list[float]:
        base = 1000.0 * (addresses.index(address) + 1)
        stated[address].append([base + len(stated[address]) % 900, 20.0, 5.0])
        return stated[address][-1]

    probes = [
        Probe(
            address,
            "13METER   TER12 201",
            partial(values, address),
            seconds=0,
            per_answer=1 + i % 3,
            fault=fault,
            late_s=0.012,
        )
        for i, address in enumerate(addresses)
    ]
    quick = Timing(answer_s=0.01, gap_s=0.005, second_s=0.001)
    measured = 0
    with _running(*probes) as (_, bus):
        while sum(len(probe.asked) for probe in probes) < 2000:
            ends = _Ends()
            for address in addresses:
                concurrent, crc = chance.random() < 0.5, chance.random() < 0.3
                talk = measure(address, _SHEET, Asking(quick, concurrent, crc))
                bus.submit(address, talk, 20, ends)
            for end in ends.wait(5):
                if end.fault is None:
                    assert _numbers(end) == stated[end.address][-1]
                    measured += 1
    assert measured > 500
