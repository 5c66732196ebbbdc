"""The message that a person gets about an incident: five things, in the receiver's language.

What is lost since when; its cause and what hangs on it; what the logger does; up to three steps for
hands; how to acknowledge. The texts are in `texts/`, one file for each language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median_low
from typing import Any, NamedTuple

from edaphon.alerts.language import (
    MOST_TITLE,
    Language,
    Text,
    chosen,
    load_language,
    one_line,
    shortened,
)
from edaphon.alerts.message import Message, Occasion
from edaphon.alerts.model import LOGGER, Incident, Node, NodeKind, Severity, What
from edaphon.alerts.phrases import (
    NUMBERS,
    channel_lines,
    numbers_written,
    sheet_facts_written,
)
from edaphon.alerts.short import fitted
from edaphon.alerts.wiring import Wiring
from edaphon_drivers.sheets import Sheets

__all__ = ["NUMBERS", "IncidentWords", "Place", "message", "title_line"]

MOST_SITE, MOST_CAUSE = 60, 100  # characters in a title
_NS = 1_000_000_000
_ASKED = {"sdi12", "modbus", "ascii", "w1", "i2c"}
_ELSEWHERE = {"file", "lorawan", "message"}
_FLAPS_FROM = 4  # turns
_BY_MEMBERS = {What.SILENT, What.NO_NUMBER, What.FAILURE_CODE}  # what else hangs on it is well
_MEASURE = {*_BY_MEMBERS, What.PORT_LOST}


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
    one = IncidentWords(incident, Wiring(nodes, sheets or Sheets()), lang, site, link)
    subject = one.subject(occasion)
    body = one.resolved() if occasion is Occasion.RESOLVED else one.open()
    return Message(
        occasion=occasion,
        number=incident.number,
        severity=incident.severity,
        title=title_line(site, subject),
        short=one.short(occasion),
        text="\n\n".join(filter(None, body)) + "\n",
        time_ns=now_ns,
    )


@dataclass(frozen=True)
class IncidentWords:
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
        lang, asked = self.lang, _ASKED.intersection(self.variants)
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


def title_line(site: Place, subject: str) -> str:
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
