"""The message that a person gets about an incident: five things, in the receiver's language.

What is lost since when; its cause and what hangs on it; what the logger does; up to three steps for
hands; how to acknowledge. The texts are in `texts/`, one file for each language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import shorten
from typing import Any, NamedTuple

from edaphon.alerts.language import Language, Text, chosen, load_language, one_line
from edaphon.alerts.message import Message, Occasion
from edaphon.alerts.model import LOGGER, Incident, Node, NodeKind, Severity, What
from edaphon.alerts.short import fitted
from edaphon.alerts.wiring import Wiring
from edaphon_drivers.sheets import Sheets

__all__ = ["NUMBERS", "Place", "message", "summary", "trial", "well"]

_NS = 1_000_000_000
_LONGEST_WHY = 300
_MOST_LINES = 12  # of a list: of channels, of incidents
_FLAPS_FROM = 4  # turns
_MEASURE = {What.SILENT, What.NO_NUMBER, What.FAILURE_CODE, What.PORT_LOST}

# What a condition may bring for its texts: name -> how it is written.
NUMBERS = {
    "asked": "count",  # how often since the last answer
    "times": "count",  # failure codes in the last day
    "missed": "count",  # uplinks in the last day, by their counter
    "received": "count",
    "waiting": "count",  # values that a sink has not taken yet
    "points": "count",  # values that a server refuses
    "slots": "count",  # measurements that are missing, once resolved
    "losses": "count",  # damaged places of the journal
    "interval_s": "each",
    "again_s": "each",  # how often a port is opened again
    "begins_ns": "date",  # when data begin to be lost
    "ends_ns": "date",  # of a certificate
    "oldest_ns": "moment",  # the oldest waiting value
    "last_v": "volts",
    "least_v": "volts",  # what the instruments need
    "days": "days",  # until the disk is full
    "detail": "detail",  # of a gap, by the bus: "no answer"
    "why": "detail",
    "code": "text",  # the failure in the instrument's own words
    "found": "text",  # serial numbers
    "expected": "text",
}


class Place(NamedTuple):
    """The site of the messages: its name for people, and its time less UTC [s]."""

    name: str
    utc_offset_s: int = 0


def message(
    incident: Incident,
    occasion: Occasion,
    nodes: Mapping[str, Node],
    language: str,
    site: Place,
    now_ns: int,
    link: str = "",
    sheets: Sheets | None = None,
) -> Message:
    """What goes out about one incident; `link` is the page's address, "" without one."""
    lang = load_language(language, site.utc_offset_s, now_ns)
    told = _Incident(incident, Wiring(nodes, sheets or Sheets()), lang, site, link)
    subject = told.subject(occasion)
    body = told.resolved() if occasion is Occasion.RESOLVED else told.open()
    return Message(
        occasion=occasion,
        number=incident.number,
        severity=incident.severity,
        title=f"{one_line(site.name)}: {subject}",
        short=told.short(occasion),
        text="\n\n".join(filter(None, body)) + "\n",
        time_ns=now_ns,
    )


@dataclass(frozen=True)
class _Incident:
    """An incident as it stands, with all that its texts may need."""

    incident: Incident
    wiring: Wiring
    lang: Language
    site: Place
    link: str

    @property
    def texts(self) -> Mapping[str, Any]:
        texts: Mapping[str, Any] = self.lang.table["what"][self.incident.what.value]
        return texts

    @property
    def parts(self) -> Mapping[str, str]:
        parts: Mapping[str, str] = self.lang.table["parts"]
        return parts

    @cached_property
    def cause(self) -> Node:
        found = self.wiring.nodes.get(self.incident.cause)
        return found or Node(self.incident.cause, *_kind_and_name(self.incident.cause), LOGGER, "")

    @cached_property
    def channels(self) -> list[Node]:
        return self.wiring.channels({self.incident.cause, *self.incident.members})

    @cached_property
    def known(self) -> dict[str, str]:
        """What the texts can be filled with."""
        lang, incident = self.lang, self.incident
        known = {
            "cause": lang.name(self.cause),
            "name": one_line(self.cause.name),
            "site": one_line(self.site.name),
            "number": str(incident.number),
            "offset": lang.offset(),
            "link": self.link,
        }
        if self.channels:
            known["channels"] = lang.count("channels", len(self.channels))
        if source := self.wiring.source(incident.cause, incident.members):
            known["source"] = one_line(source.name)
        known |= self._times()
        known |= _sheet_facts(lang, self.wiring.sheet_facts(incident.cause, incident.members))
        return known | _numbers(lang, incident.numbers)

    def _times(self) -> dict[str, str]:
        lang, since_ns = self.lang, self.incident.since_ns
        back_ns = self.incident.quiet_ns or self.incident.resolved_ns
        times = {}
        if since_ns:
            times |= {"since": lang.moment(since_ns), "ago": lang.ago(since_ns)}
        if back_ns:
            times["back"] = lang.moment(back_ns)
        if since_ns and back_ns:
            times["lasted"] = lang.duration((back_ns - since_ns) / _NS)
        return times

    @cached_property
    def variants(self) -> tuple[str, ...]:
        return self.wiring.variants(self.incident.cause, self.incident.members)

    def pick(self, name: str, among: Mapping[str, Any] | None = None) -> str:
        """The text of this name for the kind of node or the protocol, filled in."""
        table = self.texts if among is None else among
        own = table.get(f"{name}_variants", {})
        found: Text = next((own[v] for v in self.variants if v in own), table.get(name, ""))
        return _sentence(chosen(found, self.known))

    def subject(self, occasion: Occasion) -> str:
        form = self.lang.table["subject"].get(occasion.value, "{title}")
        return _sentence(form.format(title=_title(self.texts, self.known)))

    def open(self) -> list[str]:
        """The five things, as paragraphs."""
        incident, parts = self.incident, self.parts
        flaps = len(incident.turns_ns) >= _FLAPS_FROM
        turns = self.lang.count("turns", len(incident.turns_ns))
        says = [self.pick("says"), self.tone(), parts["flaps"].format(turns=turns) * flaps]
        tried = chosen(self._variant("tried"), self.known)
        return [
            " ".join(filter(None, says)),
            "\n".join(filter(None, (self.pick("cause"), *self.hangs()))),
            parts["tried"].format(tried=tried),
            "\n".join((parts["steps"], *self.steps())),
            self.foot(acknowledge=True),
        ]

    def tone(self) -> str:
        """What becomes of data."""
        own = self.lang.table["tone_variants"]
        severity = self.incident.severity.value
        found = [own[v][severity] for v in self.variants if severity in own.get(v, ())]
        return chosen(found[0] if found else self.lang.table["tone"][severity], self.known)

    def _variant(self, name: str) -> Text:
        own = self.texts.get(f"{name}_variants", {})
        found: Text = next((own[v] for v in self.variants if v in own), self.texts[name])
        return found

    def hangs(self) -> list[str]:
        """What hangs on the cause: channels by quantity, place and id, or by plot where many."""
        if self.cause.kind in {NodeKind.CHANNEL, NodeKind.CALIBRATION}:
            return []
        if not self.channels:
            measures = self.incident.what in _MEASURE
            return [self.parts["hangs_nothing"]] if measures else []
        return [
            self.parts["hangs"].format(channels=self.known["channels"]),
            *_channel_lines(self.lang, self.channels),
        ]

    def steps(self) -> list[str]:
        """At most three things to do with one's hands."""
        steps = self.texts["steps"]
        found = next((steps[v] for v in self.variants if v in steps), steps["default"])
        filled = filter(None, (chosen(step, self.known) for step in found))
        return [f"{n}. {step}" for n, step in enumerate(filled, 1)]

    def foot(self, acknowledge: bool) -> str:
        lines = [self.parts["acknowledge"]] * acknowledge
        lines += [self.parts["page"]] * bool(self.link)
        return "\n".join(line.format_map(self.known) for line in (*lines, self.parts["foot"]))

    def resolved(self) -> list[str]:
        back = chosen(self.texts.get("back", ""), self.known)
        says = [_title(self.texts, self.known) + ".", chosen(self.parts["again"], self.known)]
        says += [self.missing(), back]
        return [
            " ".join(filter(None, says)),
            "\n".join(self.hangs()),
            self.parts["nothing_to_do"],
            self.foot(acknowledge=False),
        ]

    @property
    def is_hole(self) -> bool:
        """Nothing was measured while it lasted."""
        return self.incident.severity is Severity.LOST and self.incident.what in _MEASURE

    def missing(self) -> str:
        if self.is_hole:
            file = "file" in self.variants
            return chosen(self.parts["missing_file" if file else "missing"], self.known)
        late = self.incident.severity in {Severity.LATE, Severity.WILL_BE_LOST}
        return self.parts["no_loss"] if late and "back" not in self.texts else ""

    def short(self, occasion: Occasion) -> str:
        """The two lines of an SMS."""
        texts, severity = self.lang.table["short"], self.incident.severity
        numbers, when_ns = self.incident.numbers, self.incident.since_ns
        form = {Severity.LATE: "late", Severity.WILL_BE_LOST: "opened"}.get(severity, "opened")
        if severity is Severity.WILL_BE_LOST:
            when_ns = int(numbers.get("begins_ns", 0))
            form = "ahead" if when_ns else "opened"
        if occasion is Occasion.RESOLVED:
            when_ns = self.incident.quiet_ns or self.incident.resolved_ns
            whole = severity in {Severity.LATE, Severity.WILL_BE_LOST}
            form = "resolved" if self.is_hole else "resolved_whole" if whole else "resolved_plain"
        known = self.known | {"tone": self.lang.table["tone_short"][severity.value]}
        known["do"] = chosen(self.texts["do"], known)
        if when_ns:
            known["when"] = self.lang.short_moment(when_ns)
        subject = self.lang.table["subject"][occasion.value]
        names = []
        for name in self.short_names():
            title = _title(self.texts, {**known, "cause": name})
            names.append({**known, "subject": _sentence(subject.format(title=title))})
        return fitted(names, texts["first"], texts[form])

    def short_names(self) -> list[str]:
        """The cause with its name and place, with its name, without."""
        kind, name = self.lang.kind(self.cause), one_line(self.cause.name)
        named = kind if name.casefold() == kind.casefold() else f"{kind} {name}".strip()
        return [named + self.lang.place(self.cause), named, kind]


def _title(texts: Mapping[str, Any], known: Mapping[str, str]) -> str:
    return _sentence(chosen(texts["title"], known))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kind_and_name(node: str) -> tuple[NodeKind, str]:
    """Of a node that is no longer there: what its id says."""
    kind, _, name = node.partition(" ")
    return (NodeKind(kind), name or kind) if kind in list(NodeKind) else (NodeKind.SOURCE, node)


def _numbers(lang: Language, numbers: Mapping[str, str | int | float]) -> dict[str, str]:
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
            return lang.number(float(value), 2 if round(float(value), 2) % 0.1 > 0.001 else 1)
        case "days":
            return lang.number(float(value), 0 if float(value) >= 10 else 1)
        case "detail":
            text = shorten(one_line(str(value)), _LONGEST_WHY, placeholder=" ...").rstrip(".!")
            return str(lang.table["details"].get(text, text))
        case _:
            return shorten(one_line(str(value)), _LONGEST_WHY, placeholder=" ...")


def _sheet_facts(lang: Language, facts: Mapping[str, str | float]) -> dict[str, str]:
    """What the maker's manual says of the instrument, in the language."""
    colours = lang.table["colours"]
    return {
        name: _written(lang, name, value) if name in NUMBERS else colours.get(value, str(value))
        for name, value in facts.items()
    }


def _channel_lines(lang: Language, channels: Sequence[Node]) -> list[str]:
    if len(channels) <= 4:
        lines = [f"- {lang.quantity(c.quantity)}{lang.place(c)} ({c.name})" for c in channels]
        return [line.replace("-  (", "- (") for line in lines]
    plots: dict[str, dict[str, list[str]]] = {}
    for c in channels:
        plots.setdefault(c.plot, {}).setdefault(c.quantity, []).append(c.depth_cm)
    lines = [_plot_line(lang, plot, quantities) for plot, quantities in plots.items()]
    return _cut(lang, lines)


def _plot_line(lang: Language, plot: str, quantities: Mapping[str, list[str]]) -> str:
    """"- plot P1: soil temperature (5, 15, 30 cm), soil heat flux"."""
    forms = lang.table["format"]
    named = []
    for quantity, depths in quantities.items():
        there = ", ".join(dict.fromkeys(one_line(d) for d in depths if d))
        where = f" ({forms['depths'].format(depths=there)})" if there else ""
        named.append(lang.quantity(quantity) + where)
    head = f"{forms['plot'].format(plot=one_line(plot))}: " if plot else ""
    return f"- {head}{', '.join(named)}"


def _cut(lang: Language, lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    if more <= 0:
        return lines
    return [*lines[:_MOST_LINES], f"- {lang.table['parts']['more'].format(n=more)}"]
