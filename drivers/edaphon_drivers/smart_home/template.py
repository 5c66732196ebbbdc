"""The few value templates of Home Assistant that only pick a number out of a message.

A template is code there; here it is matched against closed forms and never run.
"""

import re
from typing import NamedTuple

_STEP = r"""\.\w+ | \[ \s* '[^'\\\]]*' \s* \] | \[ \s* "[^"\\\]]*" \s* \] | \[ \s* \d{1,5} \s* \]"""
_TEMPLATE = re.compile(
    rf"""\{{\{{-? \s* (?P<root>value_json|value) (?P<steps>(?:{_STEP})*) \s*
          (?P<filters>[^{{}}]*?) -?\}}\}}""",
    re.VERBOSE | re.ASCII,
)
_STEPS = re.compile(_STEP, re.VERBOSE | re.ASCII)
# What leaves a number as it is: a default only speaks where the message has no number.
_HARMLESS = re.compile(
    r"float | float\( [^()]* \) | is_defined | default\( [^()]* \)", re.VERBOSE | re.ASCII
)
_LONGEST = 512


class Picked(NamedTuple):
    """`path` as in a JsonField, "" for the whole payload, None if unknown; `doubt` says why."""

    path: str | None
    doubt: str = ""


def read_template(template: str) -> Picked:
    """Where a template finds its number; without a template the payload is the number."""
    text = template.strip()
    if not text:
        return Picked("")
    found = _TEMPLATE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or (found["root"] == "value" and found["steps"]):
        return Picked(None, f"the template {text[:80]!r} does more than pick a number")
    trouble = _filter_trouble(found["filters"])
    if trouble:
        return Picked(None, trouble)
    keys = [_key(step) for step in _STEPS.findall(found["steps"])]
    if found["root"] == "value_json" and not keys:
        return Picked(None, "the template takes the whole object for a number")
    odd = next((key for key in keys if not key or "." in key), None)
    if odd is not None:
        return Picked(None, f"the key {odd!r} can't stand in a path joined by dots")
    return Picked(".".join(keys))


def _key(step: str) -> str:
    return step[1:] if step[0] == "." else step[1:-1].strip().strip("'\"")


def _filter_trouble(filters: str) -> str:
    if not filters.strip():
        return ""
    first, *named = filters.split("|")
    if first.strip() or not named:
        return f"the template computes: {filters.strip()[:60]!r}"
    harmful = [f.strip() for f in named if not _HARMLESS.fullmatch(f.strip())]
    return f"the template computes: {harmful[0][:60]!r}" if harmful else ""
