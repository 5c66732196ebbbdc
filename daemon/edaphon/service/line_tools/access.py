"""The way of a command to the bench: through the daemon, or alone with the journal's lock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edaphon.acquire.clock_sync import Timekeeper, boot_id, kernel_is_synchronised
from edaphon.clock import SystemClock
from edaphon.derive.fact_log import known_facts
from edaphon.facts import Knowledge
from edaphon.journal import Journal, JournalBusy
from edaphon.service.line_tools.line import BenchLine, own_line
from edaphon.service.line_tools.verbs import LONGEST_S, Bench
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonOff, DaemonRefuses, DaemonSilent, ask
from edaphon.storage.owner import as_owner
from edaphon_drivers.talk import Timing

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["bench_of", "opened_bench"]

TRY_AGAIN = 75


def bench_of(service: "Service") -> Bench:
    """The bench of a running service: its lines, its journal."""
    inlets = service.inlets

    def line(name: str) -> BenchLine:
        table, sampler = service.config.buses[name], inlets.samplers[name]

        def count() -> None:
            sampler.taken += 1

        timing = Timing(answer_s=table.answer_s)
        return BenchLine(
            table, inlets.buses[name], sampler.scheduled, inlets.branches[name], timing, count
        )

    def listening(path: str) -> str | None:
        return service.problem.get(path, "") if path in inlets.streams else None

    def knowledge() -> Knowledge:
        return service.deriver.knowledge

    return Bench(service.config, service.journal, service.keeper, line, knowledge, listening)


@contextmanager
def opened_bench(storage: Storage) -> Iterator[Callable[..., Any]]:
    """What asks the bench's verbs: the daemon, or a bench of our own while it is off.

    The calls raise DaemonRefuses; where the journal is somebody else's it ends with exit code 75.
    """

    def through(verb: str, **words: Any) -> Any:
        try:
            return ask(storage.layout.control, {"verb": verb, **words}, LONGEST_S)
        except DaemonOff as off:
            raise fail(f"{off} (it ended meanwhile)", TRY_AGAIN) from None
        except DaemonSilent as silent:
            raise fail(str(silent), TRY_AGAIN) from None

    try:
        ask(storage.layout.control, {"verb": "bench"})
    except DaemonOff:
        with as_owner(storage.layout.folder), _own_bench(storage) as bench:
            yield bench.ask
        return
    except DaemonSilent as silent:
        raise fail(str(silent), TRY_AGAIN) from None
    except DaemonRefuses as refusal:
        raise fail(f"{refusal}; restart the daemon, it is older than this command") from None
    yield through


@contextmanager
def _own_bench(storage: Storage) -> Iterator[Bench]:
    try:
        journal = Journal.open(storage.layout.journal, SystemClock())
    except JournalBusy as busy:
        raise fail(str(busy), TRY_AGAIN) from None
    lines: dict[str, BenchLine] = {}
    keeper = Timekeeper(SystemClock(), boot_id())
    if storage.config.clock.trust == "system" or kernel_is_synchronised():
        journal.append([keeper.clock_entry("assumed", 1_000_000_000)])

    def line(name: str) -> BenchLine:
        if name not in lines:
            lines[name] = own_line(storage.config, name)
        return lines[name]

    try:
        yield Bench(storage.config, journal, keeper, line, lambda: known_facts(journal))
    finally:
        for each in lines.values():
            each.bus.stop()
        journal.close()
