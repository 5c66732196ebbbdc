"""What a sink is: a place that observations are copied to, and what it may answer.

    SinkError
    ├── Later   nothing is lost, ask again: the server is away, busy, full or refuses our key
    └── Never   the server refuses these observations for good; asking again won't help

A kind of sink is a `SinkKind`, named by an entry point of the group `edaphon.sinks`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

from pydantic import BaseModel

from edaphon.model import Channel, Int, Observations
from edaphon_drivers.registry import Registry, UnknownPart

if TYPE_CHECKING:
    from edaphon.sinks.influxql import Rows


class PointWithdrawal(NamedTuple):
    """Observations that vanished or lost a number and must leave the sink.

    `spans` are closed spans of time that hold all of `times_ns` and no other observation that
    stands, so whatever a server has in them may go.
    """

    channel: Channel
    times_ns: Int
    spans: Sequence[tuple[int, int]]


class SinkError(Exception):
    """What the sink could not do, and why."""


class Later(SinkError):
    """Ask again; `blocked`: a person must act (key, database, certificate); `slow`: send less."""

    def __init__(
        self,
        why: str,
        retry_after_s: float | None = None,
        *,
        blocked: bool = False,
        slow: bool = False,
    ) -> None:
        self.why = why
        self.retry_after_s = retry_after_s
        self.blocked = blocked
        self.slow = slow
        super().__init__(why)


class Never(SinkError):
    """At least one observation of the batch is refused for good.

    `words` are the server's own. `every` says that all of the batch are refused and that asking
    for each alone would bring nothing new (all older than the server's retention).
    """

    def __init__(self, why: str, words: str = "", *, every: bool = False) -> None:
        self.why = why
        self.words = words
        self.every = every
        super().__init__(f"{why}: {words}" if words else why)


@runtime_checkable
class TakesLines(Protocol):
    """A sink that takes rows of its server's own kind too; errors as of Sink."""

    def write_lines(self, lines: bytes) -> None: ...


class Sink(Protocol):
    """Both calls return when the sink holds the batch durably, or raise Later or Never.

    Calling again with the same batch changes nothing. After Never any part of the batch may be
    stored. One thread calls a sink. `notices` tells people what this sink does not do exactly;
    `server` is the version that the server names, "" where it names none. `read` gives the
    points of a channel's id in a closed span, for a sink in which the later of two writes may not
    stand; None for all others.
    """

    @property
    def notices(self) -> Sequence[str]: ...

    @property
    def server(self) -> str: ...

    @property
    def read(self) -> "Read | None": ...

    def write(self, batch: Sequence[Observations]) -> None: ...

    def withdraw(self, withdrawal: PointWithdrawal) -> None:
        """Take observations back; absent ones are no error."""
        ...

    def close(self) -> None: ...


Read = Callable[[str, int, int], "Sequence[Rows]"]


class Held(Protocol):
    """What a sink itself says that it holds."""

    def counts(self, channel: Channel, days: Sequence[date]) -> Mapping[date, int]:
        """How many points of a channel on each of these UTC days; raises Later."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SinkKind:
    """What `kind = "NAME"` of a [[sink]] means.

    `settings` are its keys; their `place` says where the observations go, and `reaches` gives each
    address, or path that is written, by its key. `doubts` gives what a person should know although
    it works: key, what came, what is right. `held` is None where nothing can be read back;
    `reads_all`: its reader reads all that is there, so `verify` counts with --deep alone.
    """

    settings: type[BaseModel]
    open_sink: Callable[[Any, Mapping[str, Channel]], Sink]
    doubts: Callable[[Any], Iterable[tuple[str, str, str]]] = lambda _: ()
    held: Callable[[Any], Held] | None = None
    reads_all: bool = False


SINKS = Registry("edaphon.sinks", "sink")


def sink_kind(name: str) -> SinkKind:
    """What `kind = "name"` means; ValueError names the kinds that are installed."""
    try:
        return cast(SinkKind, SINKS.load(name))
    except UnknownPart as error:
        if name in SINKS.names():
            raise ValueError(str(error)) from error
    known = ", ".join(SINKS.names())
    raise ValueError(f"expected a kind of sink ({known}), got {name!r}")
