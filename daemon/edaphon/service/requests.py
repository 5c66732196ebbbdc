"""What the daemon answers at its socket: status, values, a reading, new facts, a flush."""

import base64
import sqlite3
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from edaphon import __version__
from edaphon.acquire.bus import AlreadyTalking
from edaphon.config import ScheduledSource, within_physics
from edaphon.config.secret_files import secret_files
from edaphon.databases import StorageFault, fault_of
from edaphon.derive.state import UplinkConflicts
from edaphon.facts import rows_of
from edaphon.journal import Kind, Purpose
from edaphon.model import Float, Observations
from edaphon.service.deriving import aside_rows
from edaphon.service.file_lines import line_rows
from edaphon.service.file_notes import file_notes, file_rows
from edaphon.service.floods import flood_rows
from edaphon.service.line_tools.line import not_asked
from edaphon.service.outputs import refusals, resend, retry
from edaphon.service.planned import Planned, planned_now, visit_rows
from edaphon.service.problems import NOT_KEPT, incident_rows, problems
from edaphon.service.request_models import checked
from edaphon.service.service import NotKept, Refusal, Service
from edaphon.service.socket import ACCOUNT
from edaphon.service.source_state import source_state
from edaphon.service.spans import ranges_from, runs_within
from edaphon.service.submit import Evidence
from edaphon.service.watching.sources import source_times
from edaphon.storage.client import DaemonRefuses
from edaphon_drivers.engines import engine
from edaphon_drivers.faults import Fault
from edaphon_drivers.payloads import Turn

if TYPE_CHECKING:
    from edaphon.acquire.follow import Follower
    from edaphon.service.line_tools.verbs import Bench

__all__ = ["Requests", "columns_of", "kept_state"]

READ_WITHIN_S = 130.0


class Requests:
    """Answers requests of other commands; every request is a JSON object with a verb."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.failures = 0  # requests that ended by an error of this program

    @cached_property
    def _bench(self) -> "Bench":
        """Made when it is asked for: no start pays for the technician's tools."""
        from edaphon.service.line_tools.access import bench_of

        return bench_of(self._service)

    def answer(self, request: object) -> Mapping[str, Any]:
        """Raises DaemonRefuses with what to do, sqlite3.Error where the disk is at fault."""
        name, words = checked(request)
        if isinstance(request, Mapping):
            words["account"] = str(request.get(ACCOUNT, ""))
        verb = getattr(self, f"_on_{name}", None) or self._bench.verb(name)
        if verb is None:
            raise DaemonRefuses(f"expected a verb that this version has, got {name!r}")
        try:
            result: Mapping[str, Any] = verb(words)
        except sqlite3.ProgrammingError:  # it is closed just now, to be set aside
            raise DaemonRefuses(
                "the file of values is closed, to be opened or made again: ask again in a moment"
            ) from None
        except (DaemonRefuses, sqlite3.Error):
            raise
        except Exception:
            self.failures += 1
            raise
        return result

    def _on_status(self, _: Mapping[str, Any]) -> dict[str, Any]:
        service, config = self._service, self._service.config
        site = config.site
        room = service.room()
        planned = planned_now(service)
        sources = [self._source(source, planned) for source in config.sources]
        channels = [self._channel(id) for id in sorted(service.channels)]
        last = service.journal.last
        last_ns = service.received_ns(last)
        return {
            "site": {"id": site.id, "name": site.name, "utc_offset_s": site.utc_offset_s},
            "logger": config.logger.id,
            "version": __version__,
            "now_ns": service.clock.wall_ns(),
            "since_ns": service.since_ns,
            "clock": {"known": bool(service.clock_how), "how": service.clock_how},
            "journal": {
                "entries": service.journal.length,
                "last_ns": last_ns,
                "position": str(service.deriver.position),
            },
            "ledgers": ledgers(service),
            "failed_requests": self.failures,
            "sources": sources,
            "file_lines": line_rows(service.deriver.state.files),
            "sinks": [self._sink(name) for name in service.sinks],
            "channels": channels,
            "floods": flood_rows(service.inlets.floods.all()),
            "files": list(file_notes(service.inlets.followers, site.utc_offset_s)),
            "again": service.deriver.pending,
            "aside": aside_rows(service),
            "imports": [
                {"source": path, **progress._asdict()}
                for path, follower in service.inlets.followers.items()
                for progress in follower.imports
            ],
            "disk": {"text": room.text, **room._asdict()},
            "visits": visit_rows(service),
            "incidents": incident_rows(service),
            "trouble": problems(service, room, sources, channels),
        }

    def _on_files(self, _: Mapping[str, Any]) -> dict[str, Any]:
        offset_s = self._service.config.site.utc_offset_s
        return {"files": list(file_rows(self._service.inlets.followers, offset_s))}

    def _source(self, source: Any, planned: Planned) -> dict[str, Any]:
        service = self._service
        found = source_times(service, source)
        state, detail = kept_state(source_state(found), service.journal.is_failing)
        account = None
        if isinstance(source, ScheduledSource):
            account = service.inlets.samplers[source.bus].accounts[source.path]
        return {
            "path": source.path,
            "model": source.model or "own fields",
            "last_ns": None if found.held else found.last_ns,
            "interval_ns": found.interval_ns,
            "state": "silent" if account and account.gap else state,
            "detail": account.gap.cause if account and account.gap else detail,
            "planned": planned.kind(f"source {source.path}"),
            "notes": service.deriver.state.notes.get(source.path, {}),
            "missed_uplinks": service.deriver.state.uplinks_missed.get(source.path, 0),
            "conflicting_uplinks": _conflicting(service, source.path).n,
        }

    def _sink(self, name: str) -> dict[str, Any]:
        parts = self._service.sinks[name]
        state = parts.delivery.state
        return {
            "name": name,
            "kind": parts.config.kind,
            "up": state.up,
            "why": state.why,
            "blocked": state.blocked,
            "since_ns": state.since_ns,
            "notices": list(parts.delivery.notices),
        }

    def _channel(self, id: str) -> dict[str, Any]:
        channel = self._service.channels[id]
        return {
            "id": id,
            "quantity": channel.quantity,
            "unit": channel.unit,
            "site": channel.site,
            "plot": channel.plot,
            "profile": channel.profile,
            "depth_cm": channel.depth_cm,
            "latest": _latest(self._service.series.latest(id)),
        }

    def _on_series(self, request: Mapping[str, Any]) -> dict[str, Any]:
        span = request["channel"], request["start_ns"], request["end_ns"]
        return columns_of(runs_within(self._service.series, *span))

    def _on_flush(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Write out what is derived; `full`: there was no room for it, so files are older.

        `again`: the values of a damaged series are not all derived again yet.
        """
        full = False
        if self._service.deriving_all:
            return {"change": self._service.series.change, "full": full, "again": True}
        try:
            self._service.flush()
        except sqlite3.OperationalError as error:
            full = fault_of(error, self._service.layout.series) is StorageFault.FULL
            if not full:
                raise
        return {"change": self._service.series.change, "full": full, "again": False}

    def _on_rebuild(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to derive all again, or tell how far that is."""
        deriver = self._service.deriver
        if request.get("begin"):
            deriver.differing = 0
            deriver.derive_all_again()
        blocks = len(self._service.series.heads())
        return {"done": not deriver.reworking, "blocks": blocks, "differing": deriver.differing}

    def _on_recalibrate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to derive channels again from the readings that are kept, or tell how far it is."""
        deriver = self._service.deriver
        if request.get("begin"):
            ranges = ranges_from(self._service.channels, request["channels"], request["since_ns"])
            deriver.differing = 0
            deriver.recalibrate(ranges)
        pending = deriver.pending
        return {"done": not pending, "pending": pending, "differing": deriver.differing}

    def _on_evidence(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a file that facts rest on."""
        name, sha256 = str(request["name"]), str(request["sha256"])
        try:
            data = base64.b64decode(request["data"], validate=True)
        except ValueError as error:
            raise DaemonRefuses(f"expected the file {name} in base64: {error}") from None
        evidence = Evidence(name, sha256, data)
        try:
            self._service.keep_evidence(evidence, str(request["who"]), request["account"])
        except (NotKept, ValueError) as refusal:
            raise DaemonRefuses(str(refusal)) from None
        return {"kept": name}

    def _on_import(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to take files into a source, each once; none of them where one can't be taken."""
        from edaphon.service.importing import why_not_taken  # not every plot has files

        follower = self._follower(request)
        source = next(s for s in self._service.config.sources if s.path == follower.path)
        paths, secrets = list(map(Path, request["files"])), secret_files(self._service.config)
        sheet = None if request.get("force") else self._service.config.sheet(source)
        for path in paths:
            if why_not := why_not_taken(path, sheet, secrets):
                raise DaemonRefuses(why_not)
        return {"new_bytes": [follower.begin_import(str(path)) for path in paths]}

    def _on_cancel_import(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Take no more of files; what was taken of them stays."""
        follower = self._follower(request)
        for name in request["files"]:
            follower.cancel_import(str(name))
        return self._on_imports(request)

    def _on_imports(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """How far files of a source are taken and derived."""
        follower = self._follower(request)
        found = [follower.import_progress(str(name)) for name in request["files"]]
        return {"files": [progress._asdict() for progress in found]}

    def _follower(self, request: Mapping[str, Any]) -> "Follower":
        followers, name = self._service.inlets.followers, str(request["source"])
        if name not in followers:
            known = ", ".join(sorted(followers)) or "none"
            raise DaemonRefuses(
                f"expected a file source that the service runs, got {name!r}; it runs {known}; "
                "one that was added to the configuration needs a restart of the service"
            )
        return followers[name]

    def _on_acknowledge(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A person has noted all losses."""
        try:
            who, account = str(request["who"]), request["account"]
            return {"acknowledged": self._service.acknowledge(who, account)}
        except NotKept as refusal:
            raise DaemonRefuses(str(refusal)) from None

    def _on_release(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Keep in the journal what was released."""
        note = {**request["note"], "account": request["account"]}
        payload = orjson.dumps(note, option=orjson.OPT_SORT_KEYS)
        entry = self._service.keeper.entry(Kind.NOTE, "", payload)
        try:
            return {"place": str(self._service.keep([entry]))}
        except NotKept as refusal:
            raise DaemonRefuses(f"{refusal}; release again then") from None

    def _on_read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One measurement beside the schedule, kept with the purpose of a test."""
        service, path = self._service, str(request["source"])
        bus = path.partition("/")[0]
        if why_not := not_asked(service.config, path):
            raise DaemonRefuses(why_not)
        done, found = threading.Event(), []

        def keep(turns: tuple[Turn, ...], fault: Fault | None) -> None:
            found.append((turns, fault))
            done.set()

        try:
            service.inlets.samplers[bus].read_now(path, Purpose.TEST, keep)
        except AlreadyTalking as error:
            raise DaemonRefuses(f"{error}; ask again in a moment") from None
        if not done.wait(READ_WITHIN_S):
            raise DaemonRefuses(f"expected an answer from {path} within {READ_WITHIN_S:.0f} s")
        turns, fault = found[0]
        if fault is not None:
            raise DaemonRefuses(str(fault))
        source = next(s for s in service.config.sources if s.path == path)
        sheet = service.config.sheet(source)
        readings = within_physics(engine(sheet.engine).decode_exchange(turns, sheet))
        return {
            "time_ns": time.time_ns(),
            "readings": [
                {"quantity": r.quantity, "value": r.number, "unit": r.unit, "status": r.status}
                for r in readings
            ],
        }

    def _on_sink(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Offer refused points again, or send all again, or list what is refused and why."""
        sinks, name = self._service.sinks, str(request.get("name", ""))
        known = ", ".join(sorted(sinks)) or "none"
        if name and name not in sinks:
            raise DaemonRefuses(f"expected the name of a sink ({known}), got {name!r}")
        match request["do"]:
            case "retry":
                return {"offered": retry(sinks, name)}
            case "resend":
                if not name:
                    raise DaemonRefuses(f"expected the name of a sink ({known}), got none")
                resend(sinks, name, request["since_ns"])
        state = self._service.state
        return {"refusals": {each: refusals(state.set_aside(each)) for each in sinks}}

    def _on_alert(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """List the incidents, acknowledge one, or send a test."""
        from edaphon.service.alert_requests import answer  # not every life is asked for it

        return answer(self._service, request)

    def _on_apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Put facts in force, by the text that a person wrote: nothing parsed is taken over."""
        rows, config_errors = rows_of(request["documents"])
        if config_errors:
            raise DaemonRefuses("\n".join(map(str, config_errors)))
        who, account = str(request["who"]), request["account"]
        try:
            applied = self._service.apply(rows, who, account)
        except (Refusal, NotKept) as refusal:
            raise DaemonRefuses(str(refusal)) from None
        for file in {document["file"] for document in request["documents"]}:
            self._service.clear_file(file)
        return {"applied": applied}


def _conflicting(service: Service, path: str) -> UplinkConflicts:
    return service.deriver.state.uplink_conflicts.get(path, UplinkConflicts())


def ledgers(service: Service) -> dict[str, Any]:
    """The counts of both ledgers, as far as they have come this moment."""
    series, state = service.series, service.deriver.state
    counts = state.counts
    gaps = dict(state.gaps)
    contested = series.count_conflicts()
    journalled = service.deriver.journalled  # before `taken`: what comes meanwhile is on its way
    for gap in service.inlets.open_gaps:
        gaps[gap.cause] = gaps.get(gap.cause, 0) + gap.n
    return {
        "taken": service.records_before + service.inlets.taken,
        "journalled": journalled,
        "derived": sum(state.derived.values()),
        "current": series.count(),
        **contested._asdict(),
        "entries": {name: getattr(counts, name) for name in type(counts).__slots__},
        "gaps": gaps,
        "delivered": {n: p.delivery.counts.delivered for n, p in service.sinks.items()},
        "set_aside": {n: service.state.count_set_aside(n) for n in service.sinks},
        "waiting": {n: p.feed.waiting() for n, p in service.sinks.items()},
    }


def _latest(run: Observations | None) -> dict[str, Any] | None:
    if run is None:
        return None
    names = ("time_ns", "value", "raw", "u_random", "u_systematic", "flag")
    row = columns_of([run])
    return {name: row[name][0] for name in names}


def columns_of(runs: list[Observations]) -> dict[str, Any]:
    """Observations as lists for JSON; a missing number is null."""

    def joined(name: str) -> list[Any]:
        columns = [getattr(run, name) for run in runs]
        return np.concatenate(columns).tolist() if columns else []

    def numbers(name: str) -> list[float | None]:
        columns: list[Float] = [getattr(run, name) for run in runs]
        return [None if x != x else x for column in columns for x in column.tolist()]

    return {
        "time_ns": joined("time_ns"),
        "start_ns": joined("start_ns"),
        "raw": numbers("raw"),
        "value": numbers("value"),
        "u_random": numbers("u_random"),
        "u_systematic": numbers("u_systematic"),
        "flag": joined("flag"),
        "sequence": joined("sequence"),
        "derivation": [run.derivation for run in runs for _ in range(len(run))],
    }


def kept_state(state: str, is_failing: bool) -> tuple[str, str]:
    """(state, detail) of a source: while the journal can't be written, silence is not its fault."""
    if not is_failing or state in {"ok", "late"}:
        return state, ""
    return "late", NOT_KEPT
