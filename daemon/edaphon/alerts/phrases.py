"""Numbers and lists inside messages, as the language of the receiver writes them."""

from collections.abc import Mapping, Sequence
from math import floor
from textwrap import shorten
from typing import Any

from edaphon.alerts.language import Language, one_line
from edaphon.alerts.model import Node

__all__ = ["NUMBERS", "channel_lines", "cut", "numbers_written", "sheet_facts_written"]

_LONGEST = 300  # characters of a reason in others' words
_MOST_LINES = 12  # of a list: of plots, of incidents
_FEW = 4  # channels that have a line each

# What a condition may bring for its texts: name -> how it is written.
NUMBERS = {
    "interval_s": "each",  # how often the source should give data
    "times": "count",  # failure codes in the last day
    "missed": "count",  # uplinks in the last day, by their counter
    "received": "count",
    "waiting": "count",  # values that a sink has not taken yet
    "points": "count",  # values that a server refuses
    "items": "count",  # messages or pieces above a budget, since that began
    "losses": "count",  # damaged places of the journal
    "last_v": "volts",  # never rounded up, so that it does not seem enough
    "least_v": "volts",  # what the instruments need
    "begins_ns": "date",  # when data begin to be lost, or a calibration ends
    "oldest_ns": "moment",  # of the values that wait
    "days": "days",  # until the disk is full
    "detail": "detail",  # of a gap, by the bus: "no answer"
    "why": "detail",
    "code": "text",  # the failure in the instrument's own words
    "found": "text",  # serial number that answers
    "expected": "text",  # serial number that the facts expect
}


def numbers_written(lang: Language, numbers: Mapping[str, str | int | float]) -> dict[str, str]:
    """Each number as the language writes it; one without a form is left out."""
    written = {
        name: _written(lang, name, value) for name, value in numbers.items() if name in NUMBERS
    }
    return {name: text for name, text in written.items() if text}


def _written(lang: Language, name: str, value: Any) -> str:
    match NUMBERS[name]:
        case "count":
            return lang.count(name, int(value))
        case "each":
            return lang.duration(float(value), "durations_each")
        case "date":
            return lang.date(int(value))
        case "moment":
            return lang.moment(int(value))
        case "volts":
            volts = floor(float(value) * 100 + 1e-6) / 100
            return lang.number(volts, 1 if f"{volts:.2f}".endswith("0") else 2)
        case "days":
            return lang.number(float(value), 0 if float(value) >= 10 else 1)
        case "detail":
            text = shorten(one_line(str(value)).rstrip(".!"), _LONGEST, placeholder=" ...")
            return str(lang.table["details"].get(text, text))
        case _:
            return shorten(one_line(str(value)), _LONGEST, placeholder=" ...")


def sheet_facts_written(lang: Language, facts: Mapping[str, str | float]) -> dict[str, str]:
    """What the maker's manual says of the instrument, in the language."""
    colours = lang.table["colours"]
    return {
        name: _written(lang, name, value) if name in NUMBERS else colours.get(value, str(value))
        for name, value in facts.items()
    }


def channel_lines(lang: Language, channels: Sequence[Node]) -> list[str]:
    if len(channels) <= _FEW:
        named = [(lang.quantity(c.quantity) + lang.place(c), one_line(c.name)) for c in channels]
        lines = [f"- {words} ({name})" for words, name in named]
        return [line.replace("-  (", "- (") for line in lines]
    plots: dict[str, dict[str, list[str]]] = {}
    for c in channels:
        plots.setdefault(c.plot, {}).setdefault(c.quantity, []).append(c.depth_cm)
    lines = [_plot_line(lang, plot, quantities) for plot, quantities in plots.items()]
    return cut(lang, lines)


def _plot_line(lang: Language, plot: str, quantities: Mapping[str, list[str]]) -> str:
    """ "- plot P1: soil temperature (5, 15, 30 cm), soil heat flux"."""
    forms = lang.table["format"]
    named = []
    for quantity, depths in quantities.items():
        there = ", ".join(dict.fromkeys(one_line(d) for d in depths if d))
        where = f" ({forms['depths'].format(depths=there)})" if there else ""
        named.append(lang.quantity(quantity) + where)
    head = f"{forms['plot'].format(plot=one_line(plot))}: " if plot else ""
    return f"- {head}{', '.join(named)}"


def cut(lang: Language, lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    if more <= 0:
        return lines
    return [*lines[:_MOST_LINES], f"- {lang.table['parts']['more'].format(n=more)}"]
