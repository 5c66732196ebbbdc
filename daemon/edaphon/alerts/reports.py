"""Messages about no single incident: what came and went, the weekly report, a test."""

from collections.abc import Mapping, Sequence

from edaphon.alerts.language import Language, chosen, load_language, one_line
from edaphon.alerts.message import Message, Occasion
from edaphon.alerts.model import Incident, Node, Severity
from edaphon.alerts.phrases import cut
from edaphon.alerts.short import fitted
from edaphon.alerts.wiring import Wiring
from edaphon.alerts.words import IncidentWords, Place
from edaphon_drivers.sheets import Sheets

__all__ = ["summary", "trial", "well"]


def summary(
    incidents: Sequence[Incident],
    nodes: Mapping[str, Node],
    language: str,
    site: Place,
    now_ns: int,
    link: str = "",
    limited: bool = False,
) -> Message:
    """What came and went while nothing could be sent; `limited`: beyond the rate of messages."""
    lang = load_language(language, site.utc_offset_s, now_ns)
    texts, wiring = lang.table["summary"], Wiring(nodes, Sheets())
    several = [IncidentWords(one, wiring, lang, site, link) for one in incidents]
    n_open = sum(not one.resolved_ns for one in incidents)
    title = texts["title_limited" if limited else "title"].format(
        incidents=lang.count("incidents", len(incidents))
    )
    end = "_open" if n_open else ""
    return _report(
        Occasion.SUMMARY,
        lang,
        site,
        link,
        title=title,
        short=texts[f"short{end}"].format(n=n_open),
        body=[
            "\n".join((f"{title}:", *_list(lang, several))),
            texts[f"says{end}"].format(n=n_open),
        ],
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
    site: Place,
    now_ns: int,
    link: str = "",
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
        body=["\n".join(says), past, texts["note"]],
        worst=open_,
    )


def trial(language: str, site: Place, now_ns: int, link: str = "") -> Message:
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
    site: Place,
    link: str,
    title: str,
    short: str,
    body: Sequence[str],
    worst: Sequence[Incident],
) -> Message:
    name, parts = one_line(site.name), lang.table["parts"]
    foot = [parts["page"].format(link=link)] * bool(link)
    foot.append(parts["foot_none"].format(site=name, offset=lang.offset()))
    names = [{"site": name, "subject": title}]
    severities = [one.severity for one in worst]
    return Message(
        occasion=occasion,
        number=0,
        severity=min(severities, key=list(Severity).index, default=Severity.COSMETIC),
        title=f"{name}: {title}",
        short=fitted(names, lang.table["short"]["first"], [short]),
        text="\n\n".join((*filter(None, body), "\n".join(foot))) + "\n",
        time_ns=lang.now_ns,
    )
