"""The tools of a line for a command: through the daemon, or alone with the journal's lock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from edaphon.acquire.bus import LineRefuses
from edaphon.acquire.clock_sync import kernel_is_synchronised
from edaphon.acquire.line_tools import LONGEST_S, LineTools, ToolLine, own_line
from edaphon.acquire.slots import Timekeeper
from edaphon.clock import SystemClock, boot_id
from edaphon.derive.plan import known_facts
from edaphon.facts import Knowledge
from edaphon.journal import Journal, JournalBusy
from edaphon.storage.access import TRY_AGAIN, Storage, fail
from edaphon.storage.client import DaemonOff, DaemonRefuses, DaemonSilent, as_owner, ask
from edaphon_drivers.talk import Timing

if TYPE_CHECKING:
    from edaphon.service.service import Service


def line_tools_of(service: "Service") -> LineTools:
    """The tools of a running service: its lines, its journal."""
    sources = service.sources

    def line(name: str) -> ToolLine:
        table, sampler = service.config.buses[name], sources.samplers[name]

        def count() -> None:
            sampler.taken += 1

        timing = Timing(answer_s=table.answer_s)
        return ToolLine(
            table, sources.buses[name], sampler.scheduled, sources.branches[name], timing, count
        )

    def listening(path: str) -> str | None:
        return service.problem.get(path, "") if path in sources.streams else None

    def knowledge() -> Knowledge:
        return service.deriver.knowledge

    return LineTools(service.config, service.journal, service.keeper, line, knowledge, listening)


@contextmanager
def opened_line_tools(storage: Storage) -> Iterator[Callable[..., Any]]:
    """What answers the verbs of a line; exit code 75 where the journal is somebody else's."""

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
        with as_owner(storage.layout.folder), _own_line_tools(storage) as tools:

            def here(verb: str, **words: Any) -> Any:
                try:
                    return orjson.loads(orjson.dumps(tools.answer(verb, words)))
                except LineRefuses as refusal:
                    raise DaemonRefuses(str(refusal)) from None

            yield here
        return
    except DaemonSilent as silent:
        raise fail(str(silent), TRY_AGAIN) from None
    except DaemonRefuses as refusal:
        raise fail(f"{refusal}; restart the daemon, it is older than this command") from None
    yield through


@contextmanager
def _own_line_tools(storage: Storage) -> Iterator[LineTools]:
    try:
        journal = Journal(storage.layout.journal, SystemClock())
    except JournalBusy as busy:
        raise fail(str(busy), TRY_AGAIN) from None
    lines: dict[str, ToolLine] = {}
    keeper = Timekeeper(SystemClock(), boot_id())
    if storage.config.clock.trust == "system" or kernel_is_synchronised():
        journal.append([keeper.clock_entry("assumed", 1_000_000_000)])

    def line(name: str) -> ToolLine:
        if name not in lines:
            lines[name] = own_line(storage.config, name)
        return lines[name]

    try:
        yield LineTools(storage.config, journal, keeper, line, lambda: known_facts(journal))
    finally:
        for each in lines.values():
            each.bus.stop()
        journal.close()
