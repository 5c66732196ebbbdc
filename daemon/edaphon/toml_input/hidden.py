"""Characters that a person does not see or a terminal obeys, in what people write."""

import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from edaphon.printer import hidden
from edaphon.toml_input.errors import ConfigError
from edaphon.toml_input.lines import Document, Place
from edaphon.toml_input.models import came_text
from edaphon.toml_input.values import FACT_TABLES

__all__ = ["RIGHT", "came_hidden", "configuration_complaints", "hidden_texts"]

RIGHT = "text without it: delete it, or type the text again"
_LAYOUT = frozenset("\n\t")
# What goes over a wire, or must match what another program wrote, may hold any character.
_ANY = frozenset({"frame", "command", "body", "headers", "on", "off"})


def hidden_texts(
    value: Any, place: Place = (), apart: Collection[str] = ()
) -> Iterator[tuple[Place, str]]:
    """The place and text of each text and key with such a character, below other keys than those.

    Variation selectors and fillers, which change no order and no meaning, may stand.
    """
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, str):
        if any(map(_refused, value)):
            yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if any(map(_refused, str(key))):
                yield (*place, key), str(key)
            if key not in apart:
                yield from hidden_texts(inner, (*place, key), apart)
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from hidden_texts(inner, (*place, at), apart)


def _refused(character: str) -> bool:
    return hidden(character) and unicodedata.category(character) not in {"Mn", "Lo", "Cn", "Co"}


def came_hidden(text: str, *, lines: bool = False) -> str:
    """What came in a text; "" if it has no such character, or only the breaks of its `lines`."""
    found = [c for c in text if _refused(c) and not (lines and c in _LAYOUT)]
    if not found:
        return ""
    name = unicodedata.name(found[0], "a control character")
    return f"U+{ord(found[0]):04X} ({name.lower()}) in {came_text(text)}"


def configuration_complaints(document: Document) -> Iterator[ConfigError]:
    """About such characters in a configuration, its fact tables apart."""
    table = {key: value for key, value in document.table.items() if key not in FACT_TABLES}
    for place, text in hidden_texts(table, apart=_ANY):
        key = ".".join(str(part) for part in place if isinstance(part, str))
        yield ConfigError(document.file, document.line(place), key, came_hidden(text), RIGHT)
