"""The message that a person gets about an incident: five things, in the receiver's language.

What is lost since when; its cause and what hangs on it; what the logger does; up to three steps for
hands; how to acknowledge. The texts are in `texts/`, one file for each language.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median_low
from textwrap import shorten
from typing import Any, NamedTuple

from edaphon.alerts.language import (
    MOST_TITLE,
    Language,
    Text,
    Wiring,
    chosen,
    load_language,
    one_line,
    shortened,
)
from edaphon.alerts.model import (
    LOGGER,
    Incident,
    Message,
    Node,
    NodeKind,
    Numbers,
    Occasion,
    Severity,
    What,
)
from edaphon.printer import visible
from edaphon_drivers.registry import ASKED_ON
from edaphon_drivers.sheets import Sheets

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


def numbers_written(lang: Language, numbers: Numbers) -> dict[str, str]:
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
            volts = (float(value) * 100 + 1e-6) // 1 / 100  # rounded down
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


MOST = 160  # septets of one SMS
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # each takes an escape before it
_NEAR = {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "…": "...", "µ": "u"}
_NEAR |= {"°": " deg ", "ẞ": "SS", "×": "x", "·": ".", "`": "'"}


def gsm(text: str) -> str:
    """The same text in the alphabet of an SMS: accents that it lacks are dropped, else "?"."""
    return one_line("".join(map(_gsm, text)))


def _gsm(c: str) -> str:
    if c in _BASIC or c in _EXTENSION or c.isspace():
        return c
    if c in _NEAR:
        return _NEAR[c]
    plain = "".join(p for p in unicodedata.normalize("NFKD", c) if p in _BASIC)
    return plain or ("" if unicodedata.combining(c) else "?")


def length(text: str) -> int:
    """How many septets a text of the alphabet takes."""
    return len(text) + sum(c in _EXTENSION for c in text)


def fitted(names: Sequence[Mapping[str, str]], first: Sequence[str], second: Sequence[str]) -> str:
    """The fullest two lines that fit; whole parts are left out, no name is cut.

    `names` are what the texts need, with ever shorter names; the last texts with the last names
    must fit.
    """
    last = ""
    for last in _lines(names, first, second):
        if length(last) <= MOST:
            return last
    return last


def _lines(
    names: Sequence[Mapping[str, str]], first: Sequence[str], second: Sequence[str]
) -> Iterator[str]:
    lengths = range(len(first)), range(len(names)), range(len(second))
    choices = [(one, n, two) for one in lengths[0] for n in lengths[1] for two in lengths[2]]
    for one, n, two in sorted(choices, key=sum):  # of equals the first: the site stays longest
        lines = [gsm(chosen(first[one], names[n])), gsm(chosen(second[two], names[n]))]
        if all(lines):
            yield "\n".join(lines)


MOST_SITE, MOST_CAUSE = 60, 100  # characters in a title
_NS = 1_000_000_000
_ELSEWHERE = {"file", "lorawan", "message"}
_FLAPS_FROM = 4  # turns
_BY_MEMBERS = {What.SILENT, What.NO_NUMBER, What.FAILURE_CODE}  # what else hangs on it is well
_MEASURE = {*_BY_MEMBERS, What.PORT_LOST}


class Location(NamedTuple):
    """The site of the messages: its name for people, and its time less UTC [s]."""

    name: str
    utc_offset_s: int = 0


@dataclass(frozen=True)
class Letter:
    """What every message of a plot needs; `link` is the page's address, "" without one."""

    nodes: Mapping[str, Node]
    language: str
    site: Location
    now_ns: int
    link: str = ""
    sheets: Sheets = field(default_factory=Sheets)

    @cached_property
    def lang(self) -> Language:
        return load_language(self.language, self.site.utc_offset_s, self.now_ns)

    @cached_property
    def wiring(self) -> Wiring:
        return Wiring(self.nodes, self.sheets)

    def of_incident(self, incident: Incident) -> "IncidentWords":
        return IncidentWords(incident, self.wiring, self.lang, self.site, self.link)

    def report(
        self, occasion: Occasion, title: str, short: str, body: Sequence[str], severity: Severity
    ) -> Message:
        """A regular report with its site and foot; `body` are paragraphs."""
        name, parts = one_line(self.site.name), self.lang.table["parts"]
        foot = [parts["page"].format(link=self.link)] * bool(self.link)
        foot.append(parts["foot_none"].format(site=name, offset=self.lang.offset()))
        names = [{"site": name, "subject": title}]
        return Message(
            occasion=occasion,
            number=0,
            severity=severity,
            title=title_line(self.site, title),
            short=fitted(names, self.lang.table["short"]["first"], [short]),
            text="\n\n".join((*filter(None, body), "\n".join(foot))) + "\n",
            time_ns=self.now_ns,
        )


def message(letter: Letter, incident: Incident, occasion: Occasion) -> Message:
    """What goes out about one incident."""
    one = letter.of_incident(incident)
    body = one.resolved() if occasion is Occasion.RESOLVED else one.open()
    return Message(
        occasion=occasion,
        number=incident.number,
        severity=incident.severity,
        title=title_line(letter.site, one.subject(occasion)),
        short=one.short(occasion),
        text="\n\n".join(filter(None, body)) + "\n",
        time_ns=letter.now_ns,
    )


@dataclass(frozen=True)
class IncidentWords:
    """An incident as it is now, with all that its texts may need."""

    incident: Incident
    wiring: Wiring
    lang: Language
    site: Location
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
        incident = self.incident
        failing = {incident.cause, *incident.members}
        if incident.what in _BY_MEMBERS:
            return self.wiring.channels(self.wiring.lowest(failing))
        return self.wiring.channels(failing)

    @cached_property
    def known(self) -> dict[str, str]:
        """What the texts can be filled with."""
        lang, incident = self.lang, self.incident
        known = {
            "cause": lang.name(self.cause, self.wiring.label(self.cause)),
            "name": one_line(self.cause.name),
            "site": one_line(self.site.name),
            "number": str(incident.number),
            "offset": lang.offset(),
            "link": self.link,
        }
        if self.channels:
            known["channels"] = lang.count("channels", len(self.channels))
        source = self.wiring.source(incident.cause)
        if source and not self.is_kept:  # nobody can ask what comes by files or radio
            known["source"] = one_line(source.name)
        known |= self._times()
        known |= sheet_facts_written(lang, self.wiring.sheet_facts(incident.cause))
        return known | numbers_written(lang, incident.numbers)

    @property
    def since_ns(self) -> int:
        """When what it says now began [UTC ns]: for most of what fails, where several nodes do.

        The incident may be older: it was less bad before, or one probe of a bus was silent already.
        """
        parts = [part for part in self.incident.parts if part.what is self.incident.what]
        times = [part.since_ns for part in parts]
        return median_low(times) if times else self.incident.since_ns

    @property
    def back_ns(self) -> int:
        """When data came again, or all was well again [UTC ns], 0: not yet."""
        incident = self.incident
        return incident.back_ns or incident.quiet_ns or incident.resolved_ns

    def _times(self) -> dict[str, str]:
        lang, since_ns = self.lang, self.since_ns
        back_ns = self.back_ns
        times: dict[str, str] = {}
        if since_ns:
            times |= {"since": lang.moment(since_ns), "ago": lang.ago(since_ns)}
        if back_ns:
            times["back"] = lang.moment(back_ns)
        if since_ns and back_ns:
            times["lasted"] = lang.duration((back_ns - since_ns) / _NS)
        return times | self._turns((back_ns or lang.now_ns) - since_ns)

    def _turns(self, lasted_ns: int) -> dict[str, str]:
        """How often a source was asked in that time, which is how many measurements are missing."""
        interval_s = self.incident.numbers.get("interval_s")
        known = isinstance(interval_s, int | float) and interval_s > 0 and self.since_ns
        slots = lasted_ns / (float(interval_s) * _NS) if known and interval_s else 0.0
        n = round(slots) - 1 if self.incident.back_ns else int(slots)  # the first data are no gap
        if n < 1:
            return {}
        lang, asked = self.lang, ASKED_ON.keys() & set(self.variants)
        times = {"asked": lang.count("asked", n)} if asked else {}
        return times | {"slots": lang.count("slots", n)}

    @cached_property
    def variants(self) -> tuple[str, ...]:
        return self.wiring.variants(self.incident.cause)

    def pick(self, name: str) -> str:
        """The text of this name for the kind of node or the protocol, filled in."""
        return chosen(self._variant(self.texts, name), self.known)

    def _variant(self, table: Mapping[str, Any], name: str) -> Text:
        own = table.get(f"{name}_variants", {})
        found: Text = next((own[v] for v in self.variants if v in own), table.get(name, ""))
        return found

    def subject(self, occasion: Occasion, name: str = "") -> str:
        """One line for an occasion, with the cause under its name and place, or as given."""
        name = name or shortened(self.lang.name(self.cause, self.cause.name), MOST_CAUSE)
        known = {**self.known, "cause": name}
        for form in ("title", "over"):
            known[form] = sentence(chosen(self._variant(self.texts, form), known))
        return chosen(self.lang.table["subject"].get(occasion.value, "{title}"), known)

    def open(self) -> list[str]:
        """The five things, as paragraphs."""
        incident, parts = self.incident, self.parts
        flaps = incident.flaps or len(incident.turns_ns) >= _FLAPS_FROM
        turns = self.lang.count("turns", len(incident.turns_ns))
        says = [
            sentence(self.pick("says")),
            self.tone(),
            parts["flaps"].format(turns=turns) * flaps,
        ]
        return [
            " ".join(filter(None, says)),
            "\n".join(filter(None, (self.pick("cause"), *self.hangs()))),
            parts["tried"].format(tried=self.pick("tried")),
            "\n".join((parts["steps"], *self.steps())),
            self.foot(acknowledge=True),
        ]

    def tone(self, form: str = "tone") -> str:
        """What becomes of data, by what is wrong, by the protocol or by severity alone."""
        table, severity = self.lang.table, self.incident.severity.value
        if form in self.texts:
            return chosen(self.texts[form], self.known)
        own = table[f"{form}_variants"]
        found = [own[v][severity] for v in self.variants if severity in own.get(v, ())]
        return chosen(found[0] if found else table[form][severity], self.known)

    def hangs(self) -> list[str]:
        """What hangs on the cause: channels by quantity, place and id, or by plot where many."""
        if self.cause.kind in {NodeKind.CHANNEL, NodeKind.CALIBRATION}:
            return []
        if not self.channels:
            measures = self.incident.what in _MEASURE
            return [self.parts["hangs_nothing"]] if measures else []
        return [
            self.parts["hangs"].format(channels=self.known["channels"]),
            *channel_lines(self.lang, self.channels),
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
        over = sentence(self.pick("over"))
        says = [chosen(self.parts["again"], {**self.known, "over": over}), self.missing()]
        says.append(chosen(self.texts.get("back", ""), self.known))
        return [
            " ".join(filter(None, says)),
            "\n".join(self.hangs()),
            self.parts["nothing_to_do"],
            self.foot(acknowledge=False),
        ]

    @property
    def is_kept(self) -> bool:
        """Others may have measured and kept it: another logger, a gateway, a broker."""
        return not _ELSEWHERE.isdisjoint(self.variants)

    @property
    def is_hole(self) -> bool:
        """Nothing came while it lasted."""
        return self.incident.severity is Severity.LOST and self.incident.what in _MEASURE

    @property
    def is_whole(self) -> bool:
        """Nothing was lost while it lasted."""
        late = self.incident.severity in {Severity.LATE, Severity.WILL_BE_LOST}
        return late and "back" not in self.texts

    def missing(self) -> str:
        if self.is_hole:
            return chosen(self.parts[f"missing{'_elsewhere' * self.is_kept}"], self.known)
        return self.parts["no_loss"] if self.is_whole else ""

    def short(self, occasion: Occasion) -> str:
        """The two lines of an SMS."""
        form, when = self.short_form(occasion)
        known = self.known | {"tone": self.tone("tone_short"), "do": self.pick("do")} | when
        subjects = [self.subject(occasion, name) for name in self.short_names()]
        names = [{**known, "subject": subject} for subject in subjects]
        texts = self.lang.table["short"]
        return fitted(names, texts["first"], texts[form])

    def short_form(self, occasion: Occasion) -> tuple[str, dict[str, str]]:
        """Which second line, and its time as it is written."""
        incident, lang = self.incident, self.lang
        if occasion is Occasion.RESOLVED:
            form = "resolved_whole" if self.is_whole else "resolved_plain"
            if self.is_hole and not self.is_kept:
                form = "resolved"
            return form, _when(lang, self.back_ns)
        if incident.severity is Severity.WILL_BE_LOST:
            begins_ns = int(incident.numbers.get("begins_ns", 0))
            return ("ahead", {"when": lang.short_date(begins_ns)}) if begins_ns else ("opened", {})
        late = incident.severity is Severity.LATE and "tone_short" not in self.texts
        return "late" if late else "opened", _when(lang, self.since_ns)

    def short_names(self) -> list[str]:
        """The cause with its name and place, with its name, without."""
        bare = self.cause._replace(plot="", depth_cm="", quantity="")
        names = [self.lang.name(node, node.name) for node in (self.cause, bare)]
        return [*names, self.lang.kind(self.cause)]


def title_line(site: Location, subject: str) -> str:
    """The site, which leaves room for the subject, and the subject."""
    return shortened(f"{shortened(one_line(site.name), MOST_SITE)}: {subject}", MOST_TITLE)


def _when(lang: Language, time_ns: int) -> dict[str, str]:
    return {"when": lang.short_moment(time_ns)} if time_ns else {}


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kind_and_name(node: str) -> tuple[NodeKind, str]:
    """Of a node that is no longer there: what its id says."""
    kind, _, name = node.partition(" ")
    return (NodeKind(kind), name or kind) if kind in list(NodeKind) else (NodeKind.SOURCE, node)


_SHORT = 160


def plain(incidents: Sequence[Incident], occasion: Occasion, now_ns: int, why: str) -> Message:
    """The facts as they are; `why` the texts failed."""
    lines = [f"{one.what} at {one.cause} (incident {one.number})" for one in incidents]
    title = visible(f"{occasion}: {', '.join(lines) or 'no incident'}")
    details = [
        f"{one.number}: {one.severity}, {len(one.members)} nodes: {', '.join(one.members)}"
        for one in incidents
    ]
    details.append(f"(the texts of this message failed: {why})")
    severities = (one.severity for one in incidents)
    return Message(
        occasion=occasion,
        number=incidents[0].number if len(incidents) == 1 else 0,
        severity=min(severities, key=list(Severity).index, default=Severity.COSMETIC),
        title=shortened(title, MOST_TITLE),
        short=title.encode("ascii", "replace").decode()[:_SHORT],
        text="\n".join((title, *map(visible, details))) + "\n",
        time_ns=now_ns,
    )
