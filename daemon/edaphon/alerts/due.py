"""Which message is due to whom, and the regular reports: functions of book, receivers and time.

Nothing is queued. What a receiver has not got is due until it was sent, always in its latest state:
after a week without network each open incident gives one message, and what came and went meanwhile
gives one summary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from edaphon.alerts.book import Book, Sent
from edaphon.alerts.incidents import SEVERITIES, WAIT_MOST_NS
from edaphon.alerts.language import Language, chosen, one_line, shortened
from edaphon.alerts.look import Week
from edaphon.alerts.model import Event, Incident, Message, NodeKind, Occasion, Severity
from edaphon.alerts.words import MOST_CAUSE, Letter, cut
from edaphon.clock import DAY_NS, HOUR_NS

DOUBTFUL_REPEAT_NS = 7 * DAY_NS
UNLIMITED = 10**6  # messages
FOR_LOST = 4  # one in so many messages of a day is kept for what is lost


@dataclass(frozen=True, slots=True)
class ReceiverRules:
    """What one receiver wants. `hours` are the site's, (from, to); news of loss never waits.

    With `after_ns` it gets what nobody acknowledged for so long since it opened. It gets no summary
    of what was closed before `since_ns`, when it was configured.
    """

    name: str
    classes: frozenset[Severity] = frozenset(Severity) - {Severity.COSMETIC}
    hours: tuple[time, time] | None = None
    offset_s: int = 0  # the site's time less UTC
    after_ns: int = 0
    language: str = "en"
    repeat_ns: int = DAY_NS
    per_hour: int = 6
    per_day: int = 20
    since_ns: int = 0


class Due(NamedTuple):
    """A message that is due: of one incident, a SUMMARY of several, or the end of a visit.

    `states` are those of the incidents of `numbers`, in their order; `visit` is the id of a fact.
    """

    receiver: str
    numbers: tuple[int, ...]
    states: tuple[int, ...]
    occasion: Occasion
    visit: str = ""


def due(book: Book, receivers: Sequence[ReceiverRules], now_ns: int) -> list[Due]:
    """What is due now, the worst first; each is due until its event `sent` or `refused` came."""
    return [message for rules in receivers for message in _of_receiver(book, rules, now_ns)]


def waiting(book: Book, rules: ReceiverRules, now_ns: int) -> tuple[int, int]:
    """How many incidents the limits keep from a receiver, and until when [UTC ns]; none: (0, 0)."""
    unlimited = replace(rules, per_hour=UNLIMITED, per_day=UNLIMITED)
    now, all_ = (
        {number for one in _of_receiver(book, of, now_ns) for number in one.numbers}
        for of in (rules, unlimited)
    )
    if not all_ - now:
        return 0, 0
    lost = any(book.incidents[one].severity is Severity.LOST for one in all_ - now)
    of_day = rules.per_day if lost else rules.per_day - rules.per_day // FOR_LOST
    times = sorted(book.times_ns.get(rules.name, ()))
    ends = [
        times[-most] + span
        for most, span in ((rules.per_hour, HOUR_NS), (of_day, DAY_NS))
        if 0 < most <= len(times)
    ]
    return len(all_ - now), max([now_ns, *ends])


def sent(message: Due, now_ns: int) -> Event:
    """What the journal keeps of a message that its receiver has taken."""
    did = "summed" if message.occasion is Occasion.SUMMARY else "sent"
    return _event(did, message, now_ns)


def refused(message: Due, now_ns: int, why: str) -> Event:
    """What the journal keeps of a message that its receiver will never take."""
    event = _event("refused", message, now_ns)
    return event._replace(table={**event.table, "why": why})


def _event(did: str, message: Due, now_ns: int) -> Event:
    number = message.numbers[0] if len(message.numbers) == 1 else 0
    table = {
        "receiver": message.receiver,
        "occasion": message.occasion.value,
        "numbers": list(message.numbers),
        "states": list(message.states),
        **({"visit": message.visit} if message.visit else {}),
    }
    return Event(did, number, now_ns, table)


def _of_receiver(book: Book, rules: ReceiverRules, now_ns: int) -> list[Due]:
    sent_before = book.sent.get(rules.name, {})
    single: list[tuple[Incident, Occasion]] = []
    missed: list[Incident] = []
    for incident in book.incidents.values():
        last = sent_before.get(incident.number)
        if last is None and not _wants(rules, incident):
            continue
        if _missed(incident, last, rules):
            missed.append(incident)
        occasion = _occasion(incident, last, rules, now_ns)
        if occasion is not None:
            single.append((incident, occasion))
    awake = _awake(rules, now_ns)
    single = [(one, occasion) for one, occasion in single if awake or _urgent(one, occasion)]
    visits = list(_visits(book, rules, now_ns))
    return visits + _within_rate(book, rules, now_ns, single, missed if awake else [])


def _visits(book: Book, rules: ReceiverRules, now_ns: int) -> Iterator[Due]:
    """Ends of visits at which not all spoke: whoever is sent what is being lost knows at once."""
    if Severity.LOST not in rules.classes or rules.after_ns:
        return
    for fact, ended in book.visits.items():
        lately = ended.time_ns >= rules.since_ns and abs(now_ns - ended.time_ns) < DAY_NS
        if ended.nodes and lately and rules.name not in ended.receivers:
            yield Due(rules.name, (), (), Occasion.VISIT_ENDED, fact)


def _wants(rules: ReceiverRules, incident: Incident) -> bool:
    """Whether a receiver is one to know; that it refuses itself is for the others."""
    itself = incident.cause == f"{NodeKind.RECEIVER} {rules.name}"
    is_of_class = incident.severity in rules.classes - {Severity.COSMETIC}
    return is_of_class and not itself


def _occasion(
    incident: Incident, last: Sent | None, rules: ReceiverRules, now_ns: int
) -> Occasion | None:
    """What is due of an incident by itself, None: nothing now."""
    if incident.closed:
        over = last is not None and last.reached and last.state < incident.state
        return Occasion.RESOLVED if over and incident.closed == "resolved" else None
    if last is None:
        return Occasion.OPENED if _is_time(incident, rules, now_ns) else None
    if incident.state > last.state:
        return Occasion.CHANGED if last.reached else Occasion.OPENED
    idle = last.refused or incident.quiet_ns or _is_acknowledged(incident, now_ns)
    if idle or abs(now_ns - last.time_ns) < _repeat_ns(incident, last, rules):
        return None
    return Occasion.REPEATED


def _is_time(incident: Incident, rules: ReceiverRules, now_ns: int) -> bool:
    """Whether the first message may leave: nothing above it failed, or nobody acknowledged it."""
    waits = 0 < incident.due_ns - now_ns <= WAIT_MOST_NS  # else the clock was set back
    if waits or not rules.after_ns:
        return not waits
    late = now_ns - incident.opened_ns >= rules.after_ns
    return late and not _is_acknowledged(incident, now_ns)


def _is_acknowledged(incident: Incident, now_ns: int) -> bool:
    return now_ns < incident.acknowledged_until_ns


def _missed(incident: Incident, last: Sent | None, rules: ReceiverRules) -> bool:
    """Whether an incident came and went, and its opening was due and never went out."""
    return (
        last is None
        and incident.closed == "resolved"
        and incident.resolved_ns >= max(incident.due_ns, incident.opened_ns + rules.after_ns)
        and incident.resolved_ns >= rules.since_ns
        and not (rules.after_ns and incident.acknowledged_until_ns)
    )


def _repeat_ns(incident: Incident, last: Sent, rules: ReceiverRules) -> int:
    """A day; a week for what is doubtful; half of the time that is left for what will be lost."""
    if incident.severity is Severity.DOUBTFUL:
        return max(rules.repeat_ns, DOUBTFUL_REPEAT_NS)
    if incident.severity is not Severity.WILL_BE_LOST:
        return rules.repeat_ns
    left_ns = int(incident.numbers.get("begins_ns", 0)) - last.time_ns
    return max(rules.repeat_ns, left_ns // 2)


def _awake(rules: ReceiverRules, now_ns: int) -> bool:
    """Whether a receiver takes what can wait; hours may pass over midnight."""
    if rules.hours is None:
        return True
    start, end = rules.hours
    site = datetime.fromtimestamp(now_ns // 10**9, UTC) + timedelta(seconds=rules.offset_s)
    now = site.time()
    return start <= now < end if start <= end else now >= start or now < end


def _urgent(incident: Incident, occasion: Occasion) -> bool:
    news = occasion in (Occasion.OPENED, Occasion.CHANGED)
    return news and incident.severity is Severity.LOST


def _within_rate(
    book: Book,
    rules: ReceiverRules,
    now_ns: int,
    single: list[tuple[Incident, Occasion]],
    missed: list[Incident],
) -> list[Due]:
    """As many messages as the rate allows, the worst first; the last one sums up the rest.

    News of loss passes the limit of an hour: one message at a time, which may be a summary.
    """
    single.sort(key=_rank)
    times = book.times_ns.get(rules.name, ())
    in_hour = sum(abs(now_ns - one) < HOUR_NS for one in times)
    of_day = rules.per_day - sum(abs(now_ns - one) < DAY_NS for one in times)
    if of_day <= rules.per_day // FOR_LOST:
        single, missed = [one for one in single if _urgent(*one)], []
    free = min(rules.per_hour - in_hour, of_day)
    if free <= 0 < of_day:
        single, missed, free = [one for one in single if _urgent(*one)], [], 1
    if free <= 0:
        return []
    if len(single) + bool(missed) > free:
        missed = [*(one for one, _ in single[free - 1 :]), *missed]
        single = single[: free - 1]
    messages = [_due(rules, [one], occasion) for one, occasion in single]
    if missed:
        messages.append(_due(rules, missed, Occasion.SUMMARY))
    return messages


def _rank(one: tuple[Incident, Occasion]) -> tuple[bool, int, int]:
    incident, occasion = one
    can_wait = occasion in (Occasion.RESOLVED, Occasion.REPEATED)
    return can_wait, SEVERITIES.index(incident.severity), incident.number


def _due(rules: ReceiverRules, incidents: Sequence[Incident], occasion: Occasion) -> Due:
    numbers = tuple(one.number for one in incidents)
    return Due(rules.name, numbers, tuple(one.state for one in incidents), occasion)


def summary(letter: Letter, incidents: Sequence[Incident]) -> Message:
    """What came and went while nothing could be sent, or more than a receiver takes at once."""
    lang, texts = letter.lang, letter.lang.table["summary"]
    n_open = sum(not one.resolved_ns for one in incidents)
    end = "_open" if n_open else ""
    title = texts[f"title{end}"].format(
        incidents=lang.count("incidents", len(incidents)), n=lang.number(n_open)
    )
    body = ["\n".join((f"{title}:", *_list(letter, incidents))), texts[f"says{end}"]]
    return letter.report(Occasion.SUMMARY, title, texts[f"short{end}"], body, _worst(incidents))


def well(
    letter: Letter,
    open_: Sequence[Incident],
    ended: int,
    sources: int,
    channels: int,
    since_ns: int,
    week: Week | None = None,
) -> Message:
    """The weekly report: it says that all is well only while no incident is open."""
    lang, texts = letter.lang, letter.lang.table["well"]
    known = {
        "sources": lang.count("sources", sources),
        "channels": lang.count("channels", channels),
        "incidents": lang.count("incidents", len(open_)),
        "since": lang.date(since_ns),
    }
    end = "_open" if open_ else ""
    says = [texts[f"says{end}"].format_map(known), *_list(letter, open_)]
    before = {**known, "incidents": lang.count("incidents", ended)}
    past = texts["ended" if ended else "ended_none"].format_map(before)
    title, short = (texts[f"{part}{end}"].format_map(known) for part in ("title", "short"))
    body = ["\n".join(says), past, _figures(lang, week, known["since"]), texts["note"]]
    return letter.report(Occasion.WELL, title, short, body, _worst(open_))


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


def visit_ended(letter: Letter, unheard: Sequence[str]) -> Message:
    """What does not speak at the end of a visit; `unheard` are ids of nodes."""
    lang, texts = letter.lang, letter.lang.table["visit"]
    known = [letter.nodes[id] for id in unheard if id in letter.nodes]
    plot = next((node.plot for node in known if node.plot), "")
    names = [lang.name(node, node.label) for node in known]
    title = texts["title"].format(plot=shortened(one_line(plot), MOST_CAUSE))
    short = texts["short"].format(n=lang.number(len(unheard)))
    body = ["\n".join((texts["says"], *cut(lang, [f"- {name}" for name in names]))), texts["do"]]
    return letter.report(Occasion.VISIT_ENDED, title, short, body, Severity.LOST)


def trial(letter: Letter) -> Message:
    """A test of a way of sending."""
    texts = letter.lang.table["test"]
    body = [texts["says"]]
    return letter.report(Occasion.TEST, texts["title"], texts["short"], body, Severity.COSMETIC)


def _list(letter: Letter, incidents: Sequence[Incident]) -> list[str]:
    """A line for each incident."""
    texts, lines = letter.lang.table["summary"], []
    for one in map(letter.of_incident, incidents):
        known = {**one.known, "title": one.subject(Occasion.OPENED)}
        form = texts["line_ended" if one.incident.resolved_ns else "line_open"]
        lines.append(f"- {chosen(form, known)}")
    return cut(letter.lang, lines)


def _worst(incidents: Sequence[Incident]) -> Severity:
    return min((one.severity for one in incidents), key=SEVERITIES.index, default=Severity.COSMETIC)


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
