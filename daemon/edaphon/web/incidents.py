"""The open incidents as the page shows them: number, what, cause, since, and what hangs on it."""

from dataclasses import dataclass

from edaphon.web.view import IncidentNow, Status
from edaphon.web.words import Sign, age, moment, shortened

__all__ = ["Incident", "incidents"]

MOST_MEMBERS = 30


@dataclass(frozen=True, slots=True)
class Incident:
    """`text` is the message as it is sent, `acknowledge` what to type.

    That is "" where it is done, or where the text says it already.
    """

    number: int
    sign: Sign
    title: str
    since: str
    cause: str
    members: tuple[str, ...]
    more: int
    state: str
    text: str
    acknowledge: str


def incidents(status: Status, now_ns: int) -> tuple[Incident, ...]:
    """In the order of the recorder: what nobody acknowledged first."""
    offset_s = status.site.utc_offset_s
    return tuple(_incident(one, now_ns, offset_s) for one in status.incidents)


def _incident(one: IncidentNow, now_ns: int, offset_s: int) -> Incident:
    acknowledged = now_ns < one.acknowledged_until_ns
    words = f"edaphon alert ack {one.number}"
    is_said = acknowledged or words in one.text
    members = tuple(map(shortened, one.members[:MOST_MEMBERS]))
    return Incident(
        number=one.number,
        sign=_sign(one),
        title=shortened(one.title),
        since=f"{moment(one.since_ns, now_ns, offset_s)}, {age(now_ns - one.since_ns)}",
        cause=shortened(one.cause_label),
        members=members,
        more=len(one.members) - len(members),
        state=_state(one, now_ns, offset_s) if acknowledged else "",
        text=one.text.strip(),
        acknowledge="" if is_said else f'{words} --why "..."',
    )


def _sign(one: IncidentNow) -> Sign:
    if not one.wrong:
        return Sign("well again, watched for a while", "ring")
    return Sign(shortened(one.severity), "cross" if one.severity == "lost" else "triangle")


def _state(one: IncidentNow, now_ns: int, offset_s: int) -> str:
    until = moment(one.acknowledged_until_ns, now_ns, offset_s)
    by = f" by {shortened(one.acknowledged_by)}" if one.acknowledged_by else ""
    why = f": {shortened(one.why)}" if one.why else ""
    return f"acknowledged{by} until {until}{why}"
