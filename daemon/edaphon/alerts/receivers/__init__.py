"""Ways to people: each is a `ReceiverKind`, named by an entry point of `edaphon.receivers`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import BaseModel

from edaphon.alerts.model import Message, Occasion, Receiver, SendLater, SendRefused, Severity
from edaphon.config import Broker, Configuration, Notify, Secret
from edaphon.config.rules import Parts
from edaphon.toml_input.values import revealed
from edaphon_drivers.registry import Registry, UnknownPart

WHOLE_S = 30.0  # of one message, whatever its way
Problem = SendLater | SendRefused | None  # of a message; None: it is taken
Remark = tuple[str, str, str]  # key, what came, what would be right


@dataclass(frozen=True, slots=True)
class Context:
    """What receivers share: who sends, the page, the brokers; `receiver` is this one's name."""

    logger: str
    site: str
    page_url: str = ""
    brokers: Mapping[str, Broker] = field(default_factory=dict)
    receiver: str = ""


class Taken:
    """Who has taken a message that is tried later for others; its text may be another by then."""

    def __init__(self) -> None:
        self._about: tuple[int, Occasion] | None = None
        self.by: set[str] = set()

    def deliver(self, message: Message, attempt: Callable[[], Problem]) -> None:
        """Try once to send it to who has not taken it; raises what `attempt` gives."""
        about = message.number, message.occasion
        if self._about != about:
            self._about, self.by = about, set()
        problem = attempt()
        if not isinstance(problem, SendLater):  # not tried again: the next one is for all
            self._about, self.by = None, set()
        if problem is not None:
            raise problem


def _none(*_: Any) -> Iterable[Remark]:
    return ()


@dataclass(frozen=True, slots=True)
class ReceiverKind:
    """What `kind = "NAME"` of a [[notify]] means; `settings` are its keys.

    `config_errors` gives what is wrong between it and the rest of the configuration or this
    machine, `doubts` what a person should know although it works.
    """

    settings: type[BaseModel]
    open_receiver: Callable[[Any, Context], Receiver]
    config_errors: Callable[[Any, Parts], Iterable[Remark]] = _none
    doubts: Callable[[Any], Iterable[Remark]] = _none


RECEIVERS = Registry("edaphon.receivers", "receiver")


def context_of(config: Configuration) -> Context:
    return Context(config.logger.id, config.site.id, config.alerts.page_url, config.brokers)


def opened(notify: Notify, context: Context) -> Receiver:
    """The receiver of a table; connects to nothing yet. Refused where `check` lists a mistake."""
    try:
        kind = receiver_kind(notify.kind)
        settings = kind.settings.model_validate(dict(notify.settings))
        return kind.open_receiver(settings, replace(context, receiver=notify.name))
    except UnknownKind as error:
        words = f": {error}"
    except ValueError:
        words = " is wrong in the configuration"
    raise SendRefused(f"[[notify]] {notify.name}{words}; type: edaphon check")


class UnknownKind(ValueError):
    """No installed package gives this kind of receiver; the words name those that are."""


def receiver_kind(name: str) -> ReceiverKind:
    """What `kind = "name"` means; raises UnknownKind."""
    try:
        return cast(ReceiverKind, RECEIVERS.load(name))
    except UnknownPart as error:
        if name in RECEIVERS.names():
            raise UnknownKind(str(error)) from error
    known = ", ".join(RECEIVERS.names())
    raise UnknownKind(f"expected a kind of receiver ({known}), got {name!r}")


def remarks(name: str, settings: BaseModel, parts: Parts) -> tuple[list[Remark], list[Remark]]:
    """Mistakes, and doubts that are none, about checked settings of that kind."""
    kind = receiver_kind(name)
    return list(kind.config_errors(settings, parts)), list(kind.doubts(settings))


def secret_text(value: Secret | str, what: str) -> str:
    """A secret as it is now; Refused, for only a person can help, when it can't be read."""
    try:
        return revealed(value).strip("\r\n")
    except (OSError, LookupError, UnicodeDecodeError):
        pass
    problem = value.problem() if isinstance(value, Secret) else ""
    raise SendRefused(f"{what} can't be read: {problem}")


Value = str | int
FIELDS = (
    "title", "text", "short", "severity", "occasion", "number", "priority", "time", "link", "site",
    "logger",
)  # fmt: skip
_PRIORITIES = {Severity.LOST: 4, Severity.COSMETIC: 2}  # of 1 to 5; the rest is 3


def fields_of(message: Message, context: Context, most_characters: int) -> dict[str, Value]:
    """`priority` counts from 1 to 5, as ntfy does; `time` is UTC."""
    calm = message.occasion in {Occasion.RESOLVED, Occasion.WELL, Occasion.SUMMARY}
    text = message.text
    if len(text) > most_characters:
        text = text[: most_characters - 1] + "…"
    return {
        "title": " ".join(sendable(message.title).split()),
        "text": sendable(text),
        "short": sendable(message.short),
        "severity": message.severity.value,
        "occasion": message.occasion.value,
        "number": message.number,
        "priority": 3 if calm else _PRIORITIES.get(message.severity, 3),
        "time": f"{datetime.fromtimestamp(message.time_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "link": context.page_url,
        "site": context.site,
        "logger": context.logger,
    }


def sendable(text: str) -> str:
    """Without what UTF-8 can't carry: a file's name may hold any bytes."""
    return text.encode("utf-8", "replace").decode()
