"""What the daemon answers at its socket: status, values, a reading, new facts, a flush."""

import base64
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from edaphon.acquire.bus import AlreadyTalking, LineRefuses
from edaphon.acquire.sampler import not_asked
from edaphon.clock import DAY_NS
from edaphon.config.model import secret_files
from edaphon.databases import StorageFault, fault_of
from edaphon.derive.calibrate import within_physics
from edaphon.facts import rows_of
from edaphon.journal import Kind, Purpose
from edaphon.model import ALWAYS, Observations, Range
from edaphon.series import Series
from edaphon.service.deriving import refusals, resend, retry
from edaphon.service.notes import file_rows
from edaphon.service.service import NotKept, Refusal, Service
from edaphon.service.socket import ACCOUNT
from edaphon.service.status import columns_of, status_table
from edaphon.service.submit import EvidenceFile
from edaphon.storage.client import DaemonRefuses
from edaphon_calibration.errors import suggestion
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Turn
from edaphon_drivers.registry import engine

if TYPE_CHECKING:
    from edaphon.acquire.files import Follower
    from edaphon.acquire.line_tools import LineTools

MOST_ROWS = 250_000  # in one answer, some 40 MB of JSON
DEEPEST = 32  # tables and lists within each other
LONGEST_HEARD_S = 100.0
YEAR_NS = 366 * DAY_NS
TimeNs = Annotated[int, Field(ge=ALWAYS[0], le=ALWAYS[1])]  # UTC
Name = Annotated[str, Field(min_length=1, max_length=512)]
Words = Annotated[str, Field(max_length=4096)]
FileName = Annotated[str, Field(min_length=1, max_length=4096)]
Sha256 = Annotated[str, Field(max_length=64)]
_OF_A_SOURCE = {"source": (Name, ...)}
_FILES = {
    **_OF_A_SOURCE,
    "files": (Annotated[list[FileName], Field(max_length=100_000)], ...),
    "force": (bool, False),
}
_SECONDS = Annotated[float, Field(gt=0, le=LONGEST_HEARD_S, allow_inf_nan=False)]
READ_WITHIN_S = 130.0


def runs_within(series: Series, channel: str, start_ns: int, end_ns: int) -> list[Observations]:
    """Observations with start_ns <= time < end_ns; raises DaemonRefuses for too many of them."""
    runs: list[Observations] = []
    n = 0
    for run in series.runs(channel, start_ns, end_ns):
        n += len(run)
        if n > MOST_ROWS:
            raise DaemonRefuses(
                f"expected at most {MOST_ROWS} values in one request, there are more; ask for a"
                " shorter time, or use `edaphon query`"
            )
        runs.append(run)
    return runs


def ranges_from(
    known: Collection[str], channels: list[str], since_ns: int
) -> dict[str, list[Range]]:
    """Each of these channels from that time on; raises DaemonRefuses for one that is not known."""
    for id in channels:
        if id not in known:
            raise DaemonRefuses(
                f"expected the id of a channel, got {id[:80]!r}{suggestion(id[:80], known)}"
            )
    return {id: [(since_ns, ALWAYS[1])] for id in channels} if since_ns < ALWAYS[1] else {}


class _RequestModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class _ReleaseNote(_RequestModel):
    """What the journal keeps of a release."""

    what: Literal["release"]
    name: Name
    digest: Sha256
    rows: Annotated[int, Field(ge=0, le=10**12)]
    known_sequence: Words
    who: Words
    note: Words
    file_sha256: Sha256


class _Meant(_RequestModel):
    line: Annotated[int, Field(ge=1, le=10**9)]
    id: Name


class _FactFile(_RequestModel):
    """A file of facts as written, and which of its rows are meant; the daemon reads it itself."""

    file: Annotated[str, Field(max_length=4096)]
    text: str  # the request is bounded
    rows: Annotated[list[_Meant], Field(min_length=1, max_length=50_000)]


_VERBS: dict[str, dict[str, tuple[Any, Any]]] = {  # by verb its words: (type, default or ...)
    "status": {},
    "files": {},
    "flush": {},
    "bench": {},
    "series": {"channel": (Name, ...), "start_ns": (TimeNs, ...), "end_ns": (TimeNs, ...)},
    "rebuild": {"begin": (bool, False)},
    "recalibrate": {
        "begin": (bool, False),
        "channels": (Annotated[list[Name], Field(max_length=100_000)], []),
        "since_ns": (TimeNs, ALWAYS[0]),
    },
    "evidence": {
        "name": (Name, ...),
        "sha256": (Sha256, ...),
        "data": (str, ...),
        "who": (Words, ...),
    },
    "import": _FILES,
    "imports": _FILES,
    "cancel_import": _FILES,
    "acknowledge": {"who": (Words, ...)},
    "release": {"note": (_ReleaseNote, ...)},
    "read": _OF_A_SOURCE,
    "measure": _OF_A_SOURCE,
    "sink": {
        "do": (Literal["list", "retry", "resend"], ...),
        "name": (Words, ""),
        "since_ns": (TimeNs, ALWAYS[0]),
    },
    "alert": {
        "do": (Literal["list", "ack", "test", "unheard"], ...),
        "number": (Annotated[int, Field(ge=0, le=10**9)], 0),
        "for_ns": (Annotated[int, Field(ge=0, le=10 * YEAR_NS)], 0),
        **dict.fromkeys(("who", "why", "receiver", "plot"), (Words, "")),
    },
    "apply": {
        "documents": (Annotated[list[_FactFile], Field(max_length=10_000)], ...),
        "who": (Words, ...),
    },
    "probe": {"bus": (Name, ...), "addresses": (Annotated[list[Name], Field(max_length=256)], ...)},
    "contradictions": {"told": (Annotated[dict[Name, Words], Field(max_length=10_000)], ...)},
    "hear": {"bus": (Name, ...), "seconds": (_SECONDS | None, None)},
    "say": {
        "bus": (Name, ...),
        "data": (Annotated[str, Field(max_length=4096, pattern=r"^(?:[0-9a-fA-F]{2})*$")], ...),
    },
    "readdress": {"bus": (Name, ...), "old": (Name, ...), "new": (Name, ...), "who": (Words, ...)},
}


@cache
def _model_of(verb: str) -> type[_RequestModel]:
    words: dict[str, Any] = _VERBS[verb]
    return create_model(verb, __base__=_RequestModel, **words)


def checked(request: object) -> tuple[str, dict[str, Any]]:
    """The verb and its words, those that were left out included; raises DaemonRefuses."""
    if not isinstance(request, Mapping):
        raise DaemonRefuses(f"expected a JSON object with a verb, got {_short(request)}")
    verb = request.get("verb")
    if not isinstance(verb, str) or verb not in _VERBS:
        raise DaemonRefuses(
            f"expected a verb that this version has ({', '.join(_VERBS)}), got {_short(verb)}"
        )
    if _deeper_than(request, DEEPEST):
        raise DaemonRefuses(
            f"expected at most {DEEPEST} lists and tables within each other in the request {verb},"
            " got more; ask by the edaphon command of the same version"
        )
    try:
        found = _model_of(verb).model_validate(
            {k: v for k, v in request.items() if k not in {"verb", ACCOUNT}}
        )
    except ValidationError as error:
        raise DaemonRefuses(_refusal(verb, error.errors(include_url=False)[0])) from None
    return verb, found.model_dump()


def _deeper_than(value: object, limit: int) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _refusal(verb: str, error: ErrorDetails) -> str:
    place = ".".join(map(str, error["loc"]))
    rule = error["msg"].lower().removeprefix("input should be ")
    got = "nothing" if error["type"] == "missing" else _short(error["input"])
    return (
        f"expected {rule} as {place} of the request {verb}, got {got};"
        " ask by the edaphon command of the same version"
    )


def _short(value: object) -> str:
    """What came, cut to what a line of an error has room for."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'a table'} of {len(value)}"
    return repr(value[:80] if isinstance(value, str) else value)[:120]


class Requests:
    """Answers requests of other commands; every request is a JSON object with a verb."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.failures = 0  # requests that ended by an error of this program

    @cached_property
    def _line_tools(self) -> "LineTools":
        """Made when it is asked for: no start pays for the technician's tools."""
        from edaphon.service.line_tools import line_tools_of

        return line_tools_of(self._service)

    def answer(self, request: object) -> Mapping[str, Any]:
        """Raises DaemonRefuses with what to do, sqlite3.Error where the disk is at fault."""
        name, words = checked(request)
        if isinstance(request, Mapping):
            words["account"] = str(request.get(ACCOUNT, ""))
        own = ANSWERS.get(name)
        try:
            return own(self, words) if own else self._line_tools.answer(name, words)
        except (LineRefuses, NotKept, Refusal) as refusal:
            raise DaemonRefuses(str(refusal)) from None
        except sqlite3.ProgrammingError:  # it is closed just now, to be set aside
            raise DaemonRefuses(
                "the file of values is closed, to be opened or made again: ask again in a moment"
            ) from None
        except (DaemonRefuses, sqlite3.Error):
            raise
        except Exception:
            self.failures += 1
            raise

    def _status(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return status_table(self._service, self.failures)

    def _files(self, _: Mapping[str, Any]) -> dict[str, Any]:
        offset_s = self._service.config.site.utc_offset_s
        return {"files": list(file_rows(self._service.sources.followers, offset_s))}

    def _series(self, request: Mapping[str, Any]) -> dict[str, Any]:
        span = request["channel"], request["start_ns"], request["end_ns"]
        return columns_of(runs_within(self._service.series, *span))

    def _flush(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Write out what is derived; `full`: there was no room for it, so files are older.

        `again`: the values of a damaged series are not all derived again yet.
        """
        full = False
        if self._service.deriving.deriving_all:
            return {"change": self._service.series.change, "full": full, "again": True}
        try:
            self._service.flush()
        except sqlite3.OperationalError as error:
            full = fault_of(error, self._service.layout.series) is StorageFault.FULL
            if not full:
                raise
        return {"change": self._service.series.change, "full": full, "again": False}

    def _rebuild(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to derive all again, or show how far that is."""
        deriver = self._service.deriver
        if request["begin"]:
            deriver.differing = 0
            deriver.derive_all_again()
        blocks = len(self._service.series.heads())
        return {"done": not deriver.reworking, "blocks": blocks, "differing": deriver.differing}

    def _recalibrate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to derive channels again from the readings that are kept, or show how far it is."""
        deriver = self._service.deriver
        if request["begin"]:
            ranges = ranges_from(self._service.channels, request["channels"], request["since_ns"])
            deriver.differing = 0
            deriver.recalibrate(ranges)
        pending = deriver.pending
        return {"done": not pending, "pending": pending, "differing": deriver.differing}

    def _evidence(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a file that facts rest on."""
        name = request["name"]
        try:
            data = base64.b64decode(request["data"], validate=True)
        except ValueError as error:
            raise DaemonRefuses(f"expected the file {name} in base64: {error}") from None
        evidence = EvidenceFile(name, request["sha256"], data)
        try:
            self._service.keep_evidence(evidence, request["who"], request["account"])
        except ValueError as refusal:
            raise DaemonRefuses(str(refusal)) from None
        return {"kept": name}

    def _import_(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to take files into a source, each once; none of them where one can't be taken."""
        from edaphon.service.prerequisites import why_not_taken  # not every plot has files

        follower = self._follower(request)
        source = next(s for s in self._service.config.sources if s.path == follower.path)
        paths, secrets = list(map(Path, request["files"])), secret_files(self._service.config)
        sheet = None if request["force"] else self._service.config.sheet(source)
        for path in paths:
            if why_not := why_not_taken(path, sheet, secrets):
                raise DaemonRefuses(why_not)
        return {"new_bytes": [follower.begin_import(str(path)) for path in paths]}

    def _cancel_import(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Take no more of files; what was taken of them stays."""
        follower = self._follower(request)
        for name in request["files"]:
            follower.cancel_import(str(name))
        return self._imports(request)

    def _imports(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """How far files of a source are taken and derived."""
        follower = self._follower(request)
        found = [follower.import_progress(str(name)) for name in request["files"]]
        return {"files": [progress._asdict() for progress in found]}

    def _follower(self, request: Mapping[str, Any]) -> "Follower":
        followers, name = self._service.sources.followers, request["source"]
        if name not in followers:
            known = ", ".join(sorted(followers)) or "none"
            raise DaemonRefuses(
                f"expected a file source that the service runs, got {name!r}; it runs {known}; "
                "one that was added to the configuration needs a restart of the service"
            )
        return followers[name]

    def _acknowledge(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A person has noted all losses."""
        return {"acknowledged": self._service.acknowledge(request["who"], request["account"])}

    def _release(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Keep in the journal what was released."""
        note = {**request["note"], "account": request["account"]}
        payload = orjson.dumps(note, option=orjson.OPT_SORT_KEYS)
        entry = self._service.keeper.entry(Kind.NOTE, "", payload)
        try:
            return {"place": str(self._service.keep([entry]))}
        except NotKept as refusal:
            raise DaemonRefuses(f"{refusal}; release again then") from None

    def _read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One measurement between the scheduled ones, kept with the purpose of a test."""
        service, path = self._service, request["source"]
        bus = path.partition("/")[0]
        if why_not := not_asked(service.config, path):
            raise DaemonRefuses(why_not)
        done, found = threading.Event(), []

        def keep(turns: tuple[Turn, ...], fault: Fault | None) -> None:
            found.append((turns, fault))
            done.set()

        try:
            service.sources.samplers[bus].read_now(path, Purpose.TEST, keep)
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

    def _sink(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Offer refused points again, or send all again, or list what is refused and why."""
        sinks, name = self._service.sinks, request["name"]
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

    def _alert(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """List the incidents, acknowledge one, or send a test."""
        from edaphon.service.alerting import answer

        return answer(self._service, request)

    def _apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Put facts in force, by the text that a person wrote: nothing parsed is taken over."""
        rows, config_errors = rows_of(request["documents"])
        if config_errors:
            raise DaemonRefuses("\n".join(map(str, config_errors)))
        applied = self._service.apply(rows, request["who"], request["account"])
        for file in {document["file"] for document in request["documents"]}:
            self._service.clear_file(file)
        return {"applied": applied}


ANSWERS: dict[str, Callable[[Requests, Mapping[str, Any]], dict[str, Any]]] = {
    "status": Requests._status,
    "files": Requests._files,
    "series": Requests._series,
    "flush": Requests._flush,
    "rebuild": Requests._rebuild,
    "recalibrate": Requests._recalibrate,
    "evidence": Requests._evidence,
    "import": Requests._import_,
    "cancel_import": Requests._cancel_import,
    "imports": Requests._imports,
    "acknowledge": Requests._acknowledge,
    "release": Requests._release,
    "read": Requests._read,
    "sink": Requests._sink,
    "alert": Requests._alert,
    "apply": Requests._apply,
}  # the other verbs are those of LineTools
