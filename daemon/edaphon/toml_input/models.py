"""From a table and its model to complaints with a line, and to what would be right."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edaphon.printer import hidden
from edaphon.toml_input import lines
from edaphon.toml_input.values import SECRET_PLACE, Secret

MOST_ERRORS = 100  # of one table; who made more mends these first
_TAGS = frozenset(f"{kind}-source" for kind in ("scheduled", "pushed", "file", "lorawan", "json"))
_URL_USER = re.compile(r"//.*@", re.DOTALL)  # may hold a password, and a password any character


def validated(
    document: lines.Document, place: lines.Place, kind: Any, row: Any
) -> tuple[Any | None, list[lines.ConfigError]]:
    """The row as that type, and complaints; unknown keys alone do not cost the row."""
    try:
        return TypeAdapter(kind).validate_python(row), []
    except ValidationError as error:
        errors = error.errors(include_url=False)[:MOST_ERRORS]
    config_errors = [_error(document, place, kind, row, e) for e in errors if _own(e, errors)]
    if len(errors) == MOST_ERRORS or any(e["type"] != "extra_forbidden" for e in errors):
        return None, config_errors
    for e in errors:
        row = _without(row, _written(e))
    with suppress(ValidationError):  # what is missing now was most likely the unknown key
        return TypeAdapter(kind).validate_python(row), config_errors
    return None, config_errors


def not_looked_at(document: lines.Document, place: lines.Place) -> lines.ConfigError:
    """Where the look at the rows of one kind ends, because so many before it are wrong."""
    came = f"not checked from here on: {MOST_ERRORS} errors before"
    line = document.line(place)
    return lines.ConfigError(document.file, line, str(place[0]), came, "correct those first")


def _own(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """False for a list that seems too short only because its elements are wrong."""
    loc = error["loc"]
    inner = any(len(e["loc"]) > len(loc) and e["loc"][: len(loc)] == loc for e in errors)
    return error["type"] != "too_short" or not inner


def _written(error: ErrorDetails) -> lines.Place:
    return tuple(part for part in error["loc"] if part not in _TAGS and part != "[key]")


def _error(
    document: lines.Document, place: lines.Place, kind: Any, row: Any, error: ErrorDetails
) -> lines.ConfigError:
    inside = _written(error)
    secret = _secret_at(kind, inside, row)
    inside = secret or inside
    where = (*place, *inside)
    if secret and error["type"] != "missing":
        text = isinstance(value_at(row, secret), str)
        came = "a secret in plain text" if text else "a secret in a wrong form"
        right = str(error["msg"]) if error["type"] == "wrong" else SECRET_PLACE
        return document.error(where, came, right)
    if error["type"] == "extra_forbidden":
        known = keys_of(_model_of(kind, inside[:-1], row))
        right = lines.did_you_mean(str(inside[-1]), known)
        return document.error(where, "unknown key", right)
    came = "missing" if error["type"] == "missing" else came_text(value_at(row, inside))
    if not inside and isinstance(row, Mapping):
        came = f"with the keys {', '.join(row)}"
    return document.error(where, came, _right(kind, inside, row, error))


def _secret_at(kind: Any, inside: lines.Place, row: Any) -> lines.Place:
    """The key of a secret that an error lies in: its value is shown to nobody."""
    for at, part in enumerate(inside):
        model = _model_of(kind, inside[:at], row)
        info = next((f for name, f in _fields(model) if name == part), None)
        place = inside[: at + 1]
        if info is not None and _names_secret(info.annotation):
            open_text = _names_text(info.annotation) and isinstance(value_at(row, place), str)
            return () if open_text else place
    return ()


def _names_secret(annotation: Any) -> bool:
    return annotation is Secret or any(map(_names_secret, get_args(annotation)))


def _names_text(annotation: Any) -> bool:
    """Whether a text may replace a secret there."""
    return str in get_args(annotation) or any(map(_names_text, get_args(annotation)))


def _right(kind: Any, inside: lines.Place, row: Any, error: ErrorDetails) -> str:
    value = value_at(row, inside)
    if isinstance(value, str) and (number := lines.with_point(value)):
        return f"use a decimal point: {number}, without quotes"
    if error["type"] == "wrong":
        return str(error["msg"])
    wanted = lines.data_of("edaphon.toml_input", "wanted").get(error["type"], "")
    if error["type"] == "literal_error":
        choices = str(error.get("ctx", {}).get("expected", ""))
        return f"one of {choices.replace(chr(39), chr(34))}"
    if not wanted and error["type"] not in {"missing", "string_pattern_mismatch"}:
        wanted = error["msg"].removeprefix("Input should be ").removeprefix("String should ")
    named = [at for at, part in enumerate(inside) if isinstance(part, str)]
    model = _model_of(kind, inside[: named[-1]], row) if named else None
    key = str(inside[named[-1]]) if named else ""
    if model is None or key not in keys_of(model):
        return wanted or "see docs/configuration.md"
    stated, examples = key_text(model, key)
    example = f", such as {toml_text(examples[0])}" if examples else ""
    return (f"{wanted} ({stated})" if wanted and stated else wanted or stated) + example


class KeyText(NamedTuple):
    """What a key means, and an example of its value, where there is one."""

    stated: str
    examples: tuple[Any, ...]


def key_text(model: type[BaseModel], key: str) -> KeyText:
    """From the `keys.toml` of the model's package, else from the field itself."""
    for kind in model.__mro__[:-2]:
        package = kind.__module__.rpartition(".")[0]
        own = lines.data_of(package, "keys").get(kind.__name__, {}) if package else {}
        if key in own:
            stated, *examples = own[key]
            return KeyText(stated, tuple(examples))
    info = dict(_fields(model))[key]
    return KeyText(info.description or "", tuple(info.examples or ()))


def _model_of(kind: Any, inside: lines.Place, row: Any) -> type[BaseModel] | None:
    """The model that describes the table at that place."""
    for model in _models(kind, row):
        if not inside:
            return model
        if isinstance(inside[0], int):
            return _model_of(kind, inside[1:], _step(row, inside[0]))
        for name, info in _fields(model):
            if name == inside[0]:
                return _model_of(info.annotation, inside[1:], _step(row, inside[0]))
    return None


def _models(kind: Any, row: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation, the one with most keys of the row first."""
    found = list(_all_models(kind))
    keys = set(row) if isinstance(row, Mapping) else set()
    yield from sorted(found, key=lambda m: -len(keys & set(keys_of(m))))


def _all_models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _all_models(part)


def _fields(model: type[BaseModel] | None) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items() if model else ():
        yield info.alias or name, info


def keys_of(model: type[BaseModel] | None) -> tuple[str, ...]:
    """The keys that a table of this model may have, as written in TOML."""
    return tuple(name for name, _ in _fields(model))


def value_at(row: Any, place: lines.Place) -> Any:
    for part in place:
        row = _step(row, part)
    return row


def _step(row: Any, part: str | int) -> Any:
    try:
        return row[part]
    except (KeyError, IndexError, TypeError):
        return None


def _without(row: Any, place: lines.Place) -> Any:
    head, rest = place[0], place[1:]
    if isinstance(row, Mapping):
        kept = {k: v for k, v in row.items() if k != head or rest}
        return {k: _without(v, rest) if k == head else v for k, v in kept.items()}
    return [_without(v, rest) if at == head else v for at, v in enumerate(row)]


def came_text(value: Any) -> str:
    """What was written, as TOML, cut to a readable length."""
    text = _URL_USER.sub("//***@", toml_text(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def toml_text(value: Any) -> str:
    """A value as TOML; a text that begins with { or [ is TOML itself."""
    is_toml = isinstance(value, str) and value.startswith(("{", "["))
    return str(value) if is_toml else lines.toml_value(value)


RIGHT = "text without it: delete it, or type the text again"
_LAYOUT = frozenset("\n\t")
# What goes over a wire, or must match what another program wrote, may hold any character.
_ANY = frozenset({"frame", "command", "body", "headers", "on", "off"})


def hidden_texts(
    value: Any, place: lines.Place = (), apart: Collection[str] = ()
) -> Iterator[tuple[lines.Place, str]]:
    """The place and text of each text and key with such a character; not below keys `apart`."""
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


def configuration_errors(document: lines.Document) -> Iterator[lines.ConfigError]:
    """About such characters in a configuration, its fact tables apart."""
    table = {key: value for key, value in document.table.items() if key not in lines.FACT_TABLES}
    for place, text in hidden_texts(table, apart=_ANY):
        yield document.error(place, came_hidden(text), RIGHT)
