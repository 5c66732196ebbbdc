"""When an instrument is asked again who it is, and when one try is enough."""

from tests.daemon.acquire.test_sampler import (  # noqa: F401  the fixture
    JumpingClock,
    ScriptedBus,
    journal,
    sample,
)
from tests.instants import Instants

from edaphon.acquire import sampler as module
from edaphon.acquire.sampler import Sampler, Scheduled
from edaphon.acquire.slots import Timekeeper
from edaphon_drivers.faults import Garbled, NoAnswer
from edaphon_drivers.sheets import load_sheet

SECOND_NS = 10**9


def test_a_probe_that_answers_is_asked_who_it_is_again_only_when_that_is_due(journal):  # noqa: F811
    source = Scheduled("sdi12/a", "a", load_sheet("meter.teros12"), Instants([]), 5.0)
    bus = ScriptedBus(6 * [None])
    sampler = Sampler(bus, [source], {}, journal, Timekeeper(JumpingClock(0), "boot"))
    for slot in range(1, 7):
        if slot == 4:
            sampler.identify_again()
        sampler._begin(sampler._sources[0], slot * SECOND_NS)
    asked = "".join(command.decode()[1] for command in bus.commands).replace("C", "M")
    assert asked == "MIMMMIMM"


def test_only_after_no_answer_one_try_is_enough(journal, monkeypatch):  # noqa: F811
    silences, measurement = [], module._Source.measurement

    def seen(source, asking, silent):
        silences.append(silent)
        return measurement(source, asking, silent)

    monkeypatch.setattr(module._Source, "measurement", seen)
    fates = [None, NoAnswer("data"), NoAnswer("data"), Garbled("data", "what"), None, None]
    sample(journal, fates, [2000, 3000, 4000, 5000, 6000, 7000])
    assert silences == [False, False, True, True, False, False]
