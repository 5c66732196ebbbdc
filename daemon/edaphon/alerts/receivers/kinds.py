"""What a kind of receiver is, and how one is opened.

A kind is one module of this package, found by its name: it holds `Settings` (pydantic) and
`open_receiver(settings, context)`, and no other file knows of it. It may have `complaints(settings,
parts)`, what is wrong between it and the rest of the configuration or this machine, and
`doubts(settings)`, what a person should know although it works: both yield key, what came, and
what would be right.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

from pydantic import BaseModel

from edaphon.alerts.model import Message, Occasion, Receiver, SendRefused
from edaphon.config import Broker, Configuration, Notify, Secret
from edaphon.config.rules import Parts
from edaphon.toml_input.values import revealed

__all__ = [
    "WHOLE_S",
    "Context",
    "Remark",
    "ReceiverKind",
    "Taken",
    "context_of",
    "opened",
    "receiver_kind",
    "remarks",
    "secret_text",
]

WHOLE_S = 30.0  # of one message, whatever its way
Remark = tuple[str, str, str]  # key, what came, what would be right


@dataclass(frozen=True, slots=True)
class Context:
    """What receivers share: who sends, the address of the page, the brokers by name.

    `receiver` is the name of the one that is opened with it.
    """

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

    def begin(self, message: Message) -> None:
        about = message.number, message.occasion
        if self._about != about:
            self._about, self.by = about, set()

    def end(self) -> None:
        """It is not tried again: the next one, of whatever incident, is for all."""
        self._about, self.by = None, set()


class ReceiverKind(Protocol):
    """The module of a kind of receiver."""

    Settings: type[BaseModel]

    def open_receiver(self, settings: Any, context: Context) -> Receiver: ...


def context_of(config: Configuration) -> Context:
    return Context(config.logger.id, config.site.id, config.alerts.page_url, config.brokers)


def opened(notify: Notify, context: Context) -> Receiver:
    """The receiver of a table; connects to nothing yet. Refused where `check` lists a mistake."""
    try:
        kind = receiver_kind(notify.kind)
        settings = kind.Settings.model_validate(dict(notify.settings))
        return kind.open_receiver(settings, replace(context, receiver=notify.name))
    except ValueError:
        pass
    raise SendRefused(
        f"[[notify]] {notify.name} is wrong in the configuration; type: edaphon check"
    )


def receiver_kind(name: str) -> ReceiverKind:
    """The module that `kind = "name"` means; ValueError names the kinds that exist."""
    names = {module.name for module in pkgutil.iter_modules(_folder())}
    if name in names and (found := _kind(name)) is not None:
        return found
    known = ", ".join(sorted(n for n in names if _kind(n) is not None))
    raise ValueError(f"expected a kind of receiver ({known}), got {name!r}")


def remarks(name: str, settings: BaseModel, parts: Parts) -> tuple[list[Remark], list[Remark]]:
    """Mistakes, and doubts that are none, about checked settings of that kind."""
    kind = receiver_kind(name)
    mistakes: Iterator[Remark] = getattr(kind, "config_errors", _none)(settings, parts)
    doubts: Iterator[Remark] = getattr(kind, "doubts", _none)(settings)
    return list(mistakes), list(doubts)


def secret_text(value: Secret | str, what: str) -> str:
    """A secret as it stands now; Refused, for only a person can help, when it can't be read."""
    try:
        return revealed(value).strip("\r\n")
    except (OSError, LookupError, UnicodeDecodeError):
        pass
    problem = value.problem() if isinstance(value, Secret) else ""
    raise SendRefused(f"{what} can't be read: {problem}")


def _none(*_: object) -> Iterator[Remark]:
    return iter(())


def _folder() -> list[str]:
    return list(importlib.import_module("edaphon.alerts.receivers").__path__)


def _kind(name: str) -> ReceiverKind | None:
    module = importlib.import_module(f"edaphon.alerts.receivers.{name}")
    is_kind = hasattr(module, "open_receiver") and hasattr(module, "Settings")
    return cast(ReceiverKind, module) if is_kind else None
