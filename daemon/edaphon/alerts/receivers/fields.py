"""The fields of a message in texts that people write: {title}, {text}, each escaped for its place.

Within a JSON text a field in quotes is escaped for them, and one without gets its own quotes or
stands as a number. In an address and in a form it is percent-encoded.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from edaphon.alerts.message import Message, Occasion
from edaphon.alerts.model import Severity
from edaphon.alerts.receivers.kinds import Context

__all__ = [
    "FIELDS",
    "Value",
    "encoded",
    "fields_of",
    "filled",
    "filled_json",
    "sendable",
    "unknown_fields",
]

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
