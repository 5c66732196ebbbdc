"""When an instrument is asked again who it is, and when one try is enough."""

from tests.daemon.acquire.test_sampler import journal, sample  # noqa: F401  the fixture

from edaphon.acquire import sampler as module
from edaphon_drivers.faults import Garbled, NoAnswer

DAY_NS = 86_400_000_000_000


def test_a_probe_that_answers_is_asked_who_it_is_once_a_day(journal):  # noqa: F811
    slots = [2000, 2000 + DAY_NS - 1, 2000 + DAY_NS, 2000 + DAY_NS + 5, 2000 + 2 * DAY_NS]
    _, bus, _ = sample(journal, 5 * [None], slots)
    asked = [command.decode()[1] for command in bus.commands]
    assert "".join(asked).replace("C", "M") in {"IMMIMMIM", "MIMMIMMI"}


def test_only_after_no_answer_one_try_is_enough(journal, monkeypatch):  # noqa: F811
    silences, measurement = [], module._measurement

    def seen(scheduled, asking, silent):
        silences.append(silent)
        return measurement(scheduled, asking, silent)

    monkeypatch.setattr(module, "_measurement", seen)
    fates = [None, NoAnswer("data"), NoAnswer("data"), Garbled("data", "what"), None, None]
    sample(journal, fates, [2000, 3000, 4000, 5000, 6000, 7000])
    assert silences == [False, False, True, True, False, False]
