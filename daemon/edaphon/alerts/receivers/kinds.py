"""What a kind of receiver is, how one is opened, and its template of a request.

A kind is a `ReceiverKind`, named by an entry point of the group `edaphon.receivers`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

import orjson
from pydantic import BaseModel

from edaphon.alerts.model import Message, Occasion, Receiver, SendLater, SendRefused, Severity
from edaphon.config import Broker, Configuration, Notify, Secret
from edaphon.config.rules import Parts
from edaphon.network.requests import Answer
from edaphon.toml_input.values import revealed
from edaphon_drivers.registry import Registry, UnknownPart

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
    """A secret as it stands now; Refused, for only a person can help, when it can't be read."""
    try:
        return revealed(value).strip("\r\n")
    except (OSError, LookupError, UnicodeDecodeError):
        pass
    problem = value.problem() if isinstance(value, Secret) else ""
    raise SendRefused(f"{what} can't be read: {problem}")


JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"

Judge = Callable[[Answer], None]


def _any(answer: Answer) -> None:
    """Every answer of the 200s."""


@dataclass(frozen=True, slots=True)
class Template:
    """How one service is asked. `needs` are keys of the table that it can't do without.

    `judge` returns when a 200 means "taken", else raises Later or Refused. The text is cut at
    `most_characters`, as the service would refuse or hide the rest.
    """

    url: str = ""
    path: str = ""
    body: str = "{text}"
    content_type: str = JSON
    needs: tuple[str, ...] = ("url",)
    most_characters: int = 20_000
    judge: Judge = _any
    write: Callable[[str], str] = str  # a text as the service reads it
    signals: Mapping[Occasion, str] = field(default_factory=dict)


def _other(service: str) -> SendLater:
    return SendLater(
        f"the answer is not {service}'s: a proxy or the log-in page of a network answers in its "
        "place, or url names another server"
    )


def _table(answer: Answer) -> Mapping[str, object]:
    with suppress(ValueError):
        found = orjson.loads(answer.body)
        if isinstance(found, dict):
            return found
    return {}


def _ntfy(answer: Answer) -> None:
    if not _table(answer).get("id"):
        raise _other("ntfy")


def _telegram(answer: Answer) -> None:
    found = _table(answer)
    if found.get("ok") is False:
        words = answer.secrets.excerpt(str(found.get("description", "")), 200)
        raise SendRefused(f"Telegram refuses it: {words}")
    if found.get("ok") is not True:
        raise _other("Telegram")


def _slack(answer: Answer) -> None:
    if answer.body.strip() != "ok":
        raise _other("Slack")


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _paragraphs(text: str) -> str:
    return "\n\n".join(text.splitlines())


def _teams(answer: Answer) -> None:
    if "html" in answer.headers.get("content-type", "").lower():
        raise _other("Teams")


def _healthchecks(answer: Answer) -> None:
    words = answer.body.strip()
    if words == "OK (not found)":
        raise SendRefused("Healthchecks knows no check of this address: OK (not found)")
    if words.startswith("OK ("):
        raise SendLater(f"Healthchecks did not take it: {answer.words(100)}")
    if words != "OK":
        raise _other("Healthchecks")


_CARD = """{
"type": "message", "attachments": [{
"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null,
"content": {
"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
"type": "AdaptiveCard", "version": "1.4", "body": [
{"type": "TextBlock", "text": {title}, "weight": "Bolder", "wrap": true},
{"type": "TextBlock", "text": {text}, "wrap": true}
]}}]}"""

_WORSE = (Occasion.OPENED, Occasion.CHANGED, Occasion.REPEATED)
_SIGNALS = {
    **dict.fromkeys(_WORSE, "/fail"),
    **dict.fromkeys((Occasion.SUMMARY, Occasion.TEST, Occasion.VISIT_ENDED), "/log"),
}

TEMPLATES: Mapping[str, Template] = {
    "": Template(),
    "ntfy": Template(
        url="https://ntfy.sh",
        body='{"topic": {topic}, "title": {title}, "message": {text}, "priority": {priority},'
        ' "click": {link}}',
        needs=("topic",),
        most_characters=1_800,  # below 4,096 bytes in any language written here
        judge=_ntfy,
    ),
    "telegram": Template(
        url="https://api.telegram.org",
        path="/bot{token}/sendMessage",
        body='{"chat_id": {chat}, "text": "{title}\\n\\n{text}"}',
        needs=("token", "chat"),
        most_characters=3_500,
        judge=_telegram,
    ),
    "slack": Template(body='{"text": "*{title}*\\n{text}"}', judge=_slack, write=_entities),
    "teams": Template(body=_CARD, judge=_teams, write=_paragraphs),
    "healthchecks": Template(
        body="{title}\n\n{text}", content_type=PLAIN, judge=_healthchecks, signals=_SIGNALS
    ),
}


Value = str | int

FIELDS = (
    "title",
    "text",
    "short",
    "severity",
    "occasion",
    "number",
    "priority",
    "time",
    "link",
    "site",
    "logger",
)
_FIELD = re.compile(r"\{([a-z_]+)\}")
# A string that never ends is taken to the end: it is looked for once, not from each of its quotes.
_JSON_PART = re.compile(
    r'(?P<string>"(?:\\.|[^"\\])*(?:"|\\?\Z))|\{(?P<field>[a-z_]+)\}', re.DOTALL
)
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


def unknown_fields(text: str, known: Mapping[str, object] | tuple[str, ...]) -> list[str]:
    return [name for name in dict.fromkeys(_FIELD.findall(text)) if name not in known]


def filled(text: str, fields: Mapping[str, Value], encode: Callable[[str], str] = str) -> str:
    """The text with its fields; KeyError for one that is unknown."""
    return _FIELD.sub(lambda found: encode(str(fields[found[1]])), text)


def encoded(text: str) -> str:
    """For an address or a form, RFC 3986."""
    return quote(text, safe="")


def filled_json(text: str, fields: Mapping[str, Value]) -> str:
    """A JSON text with its fields; KeyError for one that is unknown."""

    def part(found: re.Match[str]) -> str:
        if (string := found["string"]) is not None:
            return filled(string, fields, _inside)
        return json.dumps(fields[found["field"]], ensure_ascii=False)

    return _JSON_PART.sub(part, text)


def _inside(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]
