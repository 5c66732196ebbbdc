"""What is wrong in a sheet with engine "message", in words for its owner."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.sheets import Sheet

_KEYS = {
    "json": frozenset({"form", "path", "unit", "member", "time", "topic", "utc_offset"}),
    "text": frozenset({"form", "topics"}),
}
_TIME_FORMS = ("rfc3339", "s", "ms", "ns")
_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)


def sheet_troubles(sheet: Sheet) -> Iterator[str]:
    """Every trouble, none for a good sheet."""
    form = sheet.frame.get("form", "json")
    if form not in _KEYS:
        yield f'frame.form: expected "json" or "text", came {form!r}'
        return
    for key in sorted(sheet.frame.keys() - _KEYS[form]):
        yield f"frame.{key}: unknown in form {form!r}; known are {', '.join(sorted(_KEYS[form]))}"
    if form == "text":
        yield from _named_texts(sheet, "topics")
        yield from _doubled_topics(sheet)
        return
    yield from _named_texts(sheet, "path")
    yield from _units(sheet)
    yield from _members(sheet)
    yield from _time(sheet)


def _named_texts(sheet: Sheet, key: str) -> Iterator[str]:
    table = sheet.frame.get(key)
    if not isinstance(table, Mapping) or not table:
        yield f"frame.{key}: expected a table with a text for each output"
        return
    for name in sorted(sheet.outputs.keys() - table.keys()):
        yield f"frame.{key}: output {name!r} is missing"
    for name, text in table.items():
        if name not in sheet.outputs:
            yield f"frame.{key}.{name}: no [[output]] has that name"
        if not isinstance(text, str) or not text.strip("./ "):
            yield f"frame.{key}.{name}: expected a text, came {text!r}"


def _doubled_topics(sheet: Sheet) -> Iterator[str]:
    topics = sheet.frame.get("topics")
    said = list(topics.values()) if isinstance(topics, Mapping) else []
    for topic in said:
        if said.count(topic) > 1:
            yield f"frame.topics: {topic!r} stands for more than one output"
            return


def _table(sheet: Sheet, key: str) -> Mapping[str, Any]:
    found = sheet.frame.get(key, {})
    return found if isinstance(found, Mapping) else {"": found}


def _units(sheet: Sheet) -> Iterator[str]:
    for name, unit in _table(sheet, "unit").items():
        if name not in sheet.outputs:
            yield f"frame.unit.{name}: no [[output]] has that name"
        keys = unit if isinstance(unit, Mapping) else {}
        texts = [keys.get("path"), keys.get("word")]
        if not all(isinstance(text, str) and text for text in texts):
            yield f'frame.unit.{name}: expected {{ path = "...", word = "..." }}, came {unit!r}'
        if keys.keys() - {"path", "word", "optional"}:
            yield f"frame.unit.{name}: only path, word and optional are known"


def _members(sheet: Sheet) -> Iterator[str]:
    for name, member in _table(sheet, "member").items():
        if name not in sheet.outputs:
            yield f"frame.member.{name}: no [[output]] has that name"
        if not isinstance(member, Mapping) or not member:
            yield f'frame.member.{name}: expected {{ Id = "..." }}, came {member!r}'


def _time(sheet: Sheet) -> Iterator[str]:
    offset = sheet.frame.get("utc_offset")
    if offset is not None and not (isinstance(offset, str) and _OFFSET.fullmatch(offset)):
        yield f'frame.utc_offset: expected a text such as "+01:00", came {offset!r}'
    if "time" not in sheet.frame:
        return
    time = sheet.frame["time"]
    keys = time if isinstance(time, Mapping) else {}
    if not isinstance(keys.get("path"), str) or keys.get("form", "rfc3339") not in _TIME_FORMS:
        forms = " | ".join(_TIME_FORMS)
        yield f'frame.time: expected {{ path = "...", form = "{forms}" }}, came {time!r}'
