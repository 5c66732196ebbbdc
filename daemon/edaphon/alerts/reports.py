"""Messages about no single incident: what came and went, the weekly report, a test."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

from edaphon.alerts.causes import Wiring
from edaphon.alerts.language import Language, chosen, load_language, one_line, shortened
from edaphon.alerts.look import Week
from edaphon.alerts.model import Incident, Message, Node, Occasion, Severity
from edaphon.alerts.words import MOST_CAUSE, IncidentWords, Location, cut, fitted, title_line
from edaphon.clock import DAY_NS
from edaphon_drivers.sheets import Sheets


def summary(
    incidents: Sequence[Incident],
    nodes: Mapping[str, Node],
    language: str,
    site: Location,
    now_ns: int,
    link: str = "",
) -> Message:
    """What came and went while nothing could be sent, or more than a receiver takes at once."""
    lang = load_language(language, site.utc_offset_s, now_ns)
    texts, wiring = lang.table["summary"], Wiring(nodes, Sheets())
    several = [IncidentWords(one, wiring, lang, site, link) for one in incidents]
    n_open = sum(not one.resolved_ns for one in incidents)
    end = "_open" if n_open else ""
    title = texts[f"title{end}"].format(
        incidents=lang.count("incidents", len(incidents)), n=lang.number(n_open)
    )
    return _report(
        Occasion.SUMMARY,
        lang,
        site,
        link,
        title=title,
        short=texts[f"short{end}"],
        body=["\n".join((f"{title}:", *_list(lang, several))), texts[f"says{end}"]],
        worst=incidents,
    )


def well(
    open_: Sequence[Incident],
    ended: int,
    sources: int,
    channels: int,
    since_ns: int,
    nodes: Mapping[str, Node],
    language: str,
    site: Location,
    now_ns: int,
    link: str = "",
    week: Week | None = None,
) -> Message:
    """The weekly report: it says that all is well only while no incident is open."""
    lang = load_language(language, site.utc_offset_s, now_ns)
    texts, wiring = lang.table["well"], Wiring(nodes, Sheets())
    known = {
        "sources": lang.count("sources", sources),
        "channels": lang.count("channels", channels),
        "incidents": lang.count("incidents", len(open_)),
        "since": lang.date(since_ns),
    }
    end = "_open" if open_ else ""
    several = [IncidentWords(one, wiring, lang, site, link) for one in open_]
    says = [texts[f"says{end}"].format_map(known), *_list(lang, several)]
    before = {**known, "incidents": lang.count("incidents", ended)}
    past = texts["ended" if ended else "ended_none"].format_map(before)
    return _report(
        Occasion.WELL,
        lang,
        site,
        link,
        title=texts[f"title{end}"].format_map(known),
        short=texts[f"short{end}"].format_map(known),
        body=["\n".join(says), past, _figures(lang, week, known["since"]), texts["note"]],
        worst=open_,
    )


def _figures(lang: Language, week: Week | None, since: str) -> str:
    """What came in, and how long the disk lasts; "" where nobody counted."""
    if week is None:
        return ""
    texts = lang.table["well"]
    records, missed = lang.count("records", week.records), lang.count("slots", week.missed)
    found = [texts["figures"].format(since=since, records=records, missed=missed)]
    if week.disk_days is not None:
        found.append(texts["disk"].format(disk=lang.duration(week.disk_days * 86_400)))
    return "\n".join(found)


def visit_ended(
    unheard: Sequence[str],
    nodes: Mapping[str, Node],
    language: str,
    site: Location,
    now_ns: int,
    link: str = "",
) -> Message:
    """What does not speak at the end of a visit; `unheard` are ids of nodes."""
    lang = load_language(language, site.utc_offset_s, now_ns)
    texts, known = lang.table["visit"], [nodes[id] for id in unheard if id in nodes]
    plot = next((node.plot for node in known if node.plot), "")
    names = [lang.name(node, node.label) for node in known]
    return _report(
        Occasion.VISIT_ENDED,
        lang,
        site,
        link,
        title=texts["title"].format(plot=shortened(one_line(plot), MOST_CAUSE)),
        short=texts["short"].format(n=lang.number(len(unheard))),
        body=["\n".join((texts["says"], *cut(lang, [f"- {name}" for name in names]))), texts["do"]],
        severity=Severity.LOST,
    )


def trial(language: str, site: Location, now_ns: int, link: str = "") -> Message:
    """A test of a way of sending."""
    lang = load_language(language, site.utc_offset_s, now_ns)
    texts = lang.table["test"]
    return _report(
        Occasion.TEST,
        lang,
        site,
        link,
        title=texts["title"],
        short=texts["short"],
        body=[texts["says"]],
        worst=(),
    )


def _list(lang: Language, several: Sequence[IncidentWords]) -> list[str]:
    """A line for each incident."""
    texts, lines = lang.table["summary"], []
    for one in several:
        known = {**one.known, "title": one.subject(Occasion.OPENED)}
        form = texts["line_ended" if one.incident.resolved_ns else "line_open"]
        lines.append(f"- {chosen(form, known)}")
    return cut(lang, lines)


def _report(
    occasion: Occasion,
    lang: Language,
    site: Location,
    link: str,
    title: str,
    short: str,
    body: Sequence[str],
    worst: Sequence[Incident] = (),
    severity: Severity = Severity.COSMETIC,
) -> Message:
    name, parts = one_line(site.name), lang.table["parts"]
    foot = [parts["page"].format(link=link)] * bool(link)
    foot.append(parts["foot_none"].format(site=name, offset=lang.offset()))
    names = [{"site": name, "subject": title}]
    severities = [one.severity for one in worst]
    return Message(
        occasion=occasion,
        number=0,
        severity=min(severities, key=list(Severity).index, default=severity),
        title=title_line(site, title),
        short=fitted(names, lang.table["short"]["first"], [short]),
        text="\n\n".join((*filter(None, body), "\n".join(foot))) + "\n",
        time_ns=lang.now_ns,
    )


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def is_weekly_due(now_ns: int, due_ns: int, before_ns: tuple[int, ...]) -> bool:
    """Whether none of the times before was at or after `due_ns`; those of a false future count not.

    All are UTC [ns]: a clock that was far ahead for a moment must not end the reports for months.
    """
    return max((ns for ns in before_ns if ns <= now_ns + DAY_NS), default=0) < due_ns


def last_weekly(now_ns: int, day: str, at: time, offset_s: int) -> int:
    """The last time [UTC ns] at which it was that day and time at a site `offset_s` before UTC."""
    here = datetime.fromtimestamp(now_ns // 10**9, UTC) + timedelta(seconds=offset_s)
    then = here.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    then -= timedelta(days=(here.weekday() - _DAYS.index(day)) % 7)
    if then > here:
        then -= timedelta(days=7)
    return (int(then.timestamp()) - offset_s) * 10**9
