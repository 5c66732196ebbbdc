"""What may be asked of the daemon at its socket: each verb with its words and their bounds."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from edaphon.clock import DAY_NS
from edaphon.model import ALWAYS
from edaphon.service.socket import ACCOUNT
from edaphon.storage.client import DaemonRefuses

__all__ = ["checked"]

DEEPEST = 32  # tables and lists within each other
LONGEST_HEARD_S = 100.0
YEAR_NS = 366 * DAY_NS

TimeNs = Annotated[int, Field(ge=ALWAYS[0], le=ALWAYS[1])]  # UTC
Name = Annotated[str, Field(min_length=1, max_length=512)]
Words = Annotated[str, Field(max_length=4096)]
FileName = Annotated[str, Field(min_length=1, max_length=4096)]
Sha256 = Annotated[str, Field(max_length=64)]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class _Plain(_Request):
    """A verb that takes no words."""


class _Series(_Request):
    channel: Name
    start_ns: TimeNs
    end_ns: TimeNs


class _Rebuild(_Request):
    begin: bool = False


class _Recalibrate(_Request):
    begin: bool = False
    channels: Annotated[list[Name], Field(max_length=100_000)] = []
    since_ns: TimeNs = ALWAYS[0]


class _Evidence(_Request):
    name: Name
    sha256: Sha256
    data: str
    who: Words


class _Files(_Request):
    source: Name
    files: Annotated[list[FileName], Field(max_length=100_000)]
    force: bool = False


class _Acknowledge(_Request):
    who: Words


class _Note(_Request):
    """What the journal keeps of a release."""

    what: Literal["release"]
    name: Name
    digest: Sha256
    rows: Annotated[int, Field(ge=0, le=10**12)]
    known_sequence: Words
    who: Words
    note: Words
    file_sha256: Sha256


class _Release(_Request):
    note: _Note


class _OfSource(_Request):
    source: Name


class _Sink(_Request):
    do: Literal["list", "retry", "resend"]
    name: Words = ""
    since_ns: TimeNs = ALWAYS[0]


class _Alert(_Request):
    do: Literal["list", "ack", "test", "unheard"]
    number: Annotated[int, Field(ge=0, le=10**9)] = 0
    for_ns: Annotated[int, Field(ge=0, le=10 * YEAR_NS)] = 0
    who: Words = ""
    why: Words = ""
    receiver: Words = ""
    plot: Words = ""


class _Meant(_Request):
    line: Annotated[int, Field(ge=1, le=10**9)]
    id: Name


class _Document(_Request):
    """A file of facts as it was written, and which rows of it are meant.

    The daemon reads the text itself; nothing that a command has parsed is taken over.
    """

    file: Annotated[str, Field(max_length=4096)]
    text: str  # the request is bounded
    rows: Annotated[list[_Meant], Field(min_length=1, max_length=50_000)]


class _Apply(_Request):
    documents: Annotated[list[_Document], Field(max_length=10_000)]
    who: Words


class _Probe(_Request):
    bus: Name
    addresses: Annotated[list[Name], Field(max_length=256)]


class _Contradictions(_Request):
    reported: Annotated[dict[Name, Words], Field(max_length=10_000)]


class _Hear(_Request):
    bus: Name
    seconds: Annotated[float, Field(gt=0, le=LONGEST_HEARD_S, allow_inf_nan=False)] | None = None


class _Say(_Request):
    bus: Name
    data: Annotated[str, Field(max_length=4096, pattern=r"^(?:[0-9a-fA-F]{2})*$")]


class _Readdress(_Request):
    bus: Name
    old: Name
    new: Name
    who: Words


_VERBS: dict[str, type[_Request]] = {
    "status": _Plain,
    "files": _Plain,
    "flush": _Plain,
    "bench": _Plain,
    "series": _Series,
    "rebuild": _Rebuild,
    "recalibrate": _Recalibrate,
    "evidence": _Evidence,
    "import": _Files,
    "imports": _Files,
    "cancel_import": _Files,
    "acknowledge": _Acknowledge,
    "release": _Release,
    "read": _OfSource,
    "measure": _OfSource,
    "sink": _Sink,
    "alert": _Alert,
    "apply": _Apply,
    "probe": _Probe,
    "contradictions": _Contradictions,
    "hear": _Hear,
    "say": _Say,
    "readdress": _Readdress,
}


def checked(request: object) -> tuple[str, dict[str, Any]]:
    """The verb and its words, those that were left out included; raises DaemonRefuses."""
    if not isinstance(request, Mapping):
        raise DaemonRefuses(f"expected a JSON object with a verb, got {_short(request)}")
    verb = request.get("verb")
    model = _VERBS.get(verb) if isinstance(verb, str) else None
    if model is None:
        raise DaemonRefuses(
            f"expected a verb that this version has ({', '.join(_VERBS)}), got {_short(verb)}"
        )
    if _deeper_than(request, DEEPEST):
        raise DaemonRefuses(
            f"expected at most {DEEPEST} lists and tables within each other in the request {verb},"
            " got more; ask by the edaphon command of the same version"
        )
    try:
        found = model.model_validate(
            {k: v for k, v in request.items() if k not in {"verb", ACCOUNT}}
        )
    except ValidationError as error:
        raise DaemonRefuses(_refusal(str(verb), error.errors(include_url=False)[0])) from None
    return str(verb), found.model_dump()


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
