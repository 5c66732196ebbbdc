"""Where new facts contradict what is known: names used again, overlaps, what must not change."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Sequence as Rows
from itertools import chain, combinations, islice

from edaphon.facts.basis import Fact, Period
from edaphon.facts.case import Case, Found, Kind
from edaphon.facts.files import FactRow
from edaphon.facts.fitting import fitting_complaints
from edaphon.facts.knowledge import Knowledge
from edaphon.facts.model import ChannelFact, Deployment, Revocation
from edaphon.facts.references import reference_complaints
from edaphon.toml_input import ConfigError, did_you_mean
from edaphon.toml_input.hidden import RIGHT, came_hidden, hidden_texts
from edaphon.toml_input.models import MOST_ERRORS
from edaphon.toml_input.values import instant_text
from edaphon_drivers.sheets import Output, Sheets

_PROSE = frozenset({"soil", "treatment", "method", "reference", "cause", "why"})  # lines are right

__all__ = ["in_order", "knowledge_conflicts", "new_rows"]


def knowledge_conflicts(
    rows: Rows[FactRow],
    knowledge: Knowledge,
    sources: Mapping[str, Mapping[str, Output]] | None = None,
    doubtful: frozenset[str] = frozenset(),
    sheets: Sheets | None = None,
) -> list[ConfigError]:
    """Complaints about `rows` on top of what is known, rows known already left out.

    `sources` are the outputs of each source path; without them names that may stand elsewhere are
    not checked, nor are `doubtful` ones (ids of rows that are wrong in themselves). `sheets` holds
    the owner's model sheets beside those of the package.
    """
    config_errors = list(islice(_identity(rows, knowledge), MOST_ERRORS))
    wrong = {(c.file, c.line) for c in config_errors}
    right = [r for r in new_rows(rows, knowledge) if (r.file, r.line_of("id")) not in wrong]
    case = Case.of(right, knowledge, sources, doubtful, sheets)
    rules = [_overlaps, _channels, _revocations, _hidden, reference_complaints]
    rules += [fitting_complaints] if sources is not None else []
    found = [one for rule in rules for one in islice(rule(case), MOST_ERRORS)]
    config_errors += [case.config_error(*one) for one in found]
    return sorted(set(config_errors))


def _hidden(case: Case) -> Iterator[Found]:
    """What is known already may hold such characters: it is printed so that they can be seen."""
    for row in case.rows.values():
        for place, text in hidden_texts(row.fact, apart={"file"}):
            key = str(place[0])
            if came := came_hidden(text, lines=key in _PROSE):
                yield row.fact, key, came, RIGHT


def new_rows(rows: Rows[FactRow], knowledge: Knowledge) -> tuple[FactRow, ...]:
    """The rows that are not known yet, word for word the same facts left out."""
    return tuple(r for r in rows if r.fact not in knowledge.ever.get(r.fact.id, ()))


def in_order(rows: Rows[FactRow]) -> list[FactRow]:
    """What a row supersedes comes before it, else the rows stay as they are read: by file name."""
    by_id: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        by_id.setdefault(row.fact.id, []).append(at)
    placed: dict[int, None] = {}
    for first in range(len(rows)):
        chain_of, at = dict[int, None](), first
        while at not in placed and at not in chain_of:
            chain_of[at] = None
            at = _superseded(rows, by_id, at)
        placed |= dict.fromkeys(reversed(chain_of))
    return [rows[at] for at in placed]


def _superseded(rows: Rows[FactRow], by_id: Mapping[str, list[int]], at: int) -> int:
    """The last row that this one supersedes, itself if none; renewals keep their order."""
    fact = rows[at].fact
    found = [n for n in by_id.get(fact.supersedes or "", ()) if n != at]
    if fact.supersedes == fact.id:
        found = [n for n in found if rows[n].fact.supersedes != fact.id]
    return found[-1] if found else at


def _identity(rows: Rows[FactRow], knowledge: Knowledge) -> Iterator[ConfigError]:
    earlier: dict[str, list[Fact]] = {id: list(f) for id, f in knowledge.ever.items()}
    places: dict[str, str] = {}
    for row in rows:
        fact, known = row.fact, earlier.get(row.fact.id, [])
        if not (fact in known and fact.id not in places):
            for key, came, right in _naming(fact, known, earlier, places):
                line = row.line_of(key)
                yield ConfigError(row.file, line, f"{fact.table}.{key}", came, right)
        places.setdefault(fact.id, f"{row.file}:{row.line}")
        earlier.setdefault(fact.id, []).append(fact)


def _naming(
    fact: Fact, known: list[Fact], earlier: Mapping[str, list[Fact]], places: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the name, or with what it supersedes: key, came, right."""
    own = fact.supersedes == fact.id
    if known and not (own and fact.renewed and known[-1].table == fact.table):
        yield _used_again(fact, known[-1], places)
    elif own and known:
        yield from _frozen(fact, known[-1])
    elif fact.supersedes is not None:
        yield from _superseding(fact, earlier)


def _used_again(fact: Fact, known: Fact, places: Mapping[str, str]) -> tuple[str, str, str]:
    if fact.id in places:
        return "id", f'"{fact.id}" is used twice, first in {places[fact.id]}', "another id"
    if fact.renewed and known.table == fact.table:
        right = f'a fact is never edited: write this row with supersedes = "{fact.id}" beside it'
    else:
        right = f'a fact is never edited: write a new one with supersedes = "{fact.id}"'
    return "id", f'"{fact.id}" was applied with other content', right


def _frozen(fact: Fact, known: Fact) -> Iterator[tuple[str, str, str]]:
    for key in fact.frozen:
        before, now = getattr(known, key, None), getattr(fact, key)
        if before != now:
            written = key.removesuffix("_ns")
            came = (
                f"{now} instead of {before}" if now is not None else f"nothing instead of {before}"
            )
            yield written, came, f"this never changes: write a new {fact.table} with another id"


def _superseding(fact: Fact, earlier: Mapping[str, list[Fact]]) -> Iterator[tuple[str, str, str]]:
    target = fact.supersedes or ""
    known = earlier.get(target)
    if fact.renewed:
        right = f'supersedes = "{fact.id}" to say something new about it, or leave it out'
        yield "supersedes", f'"{target}" is another {fact.table}', right
    elif not known:
        right = did_you_mean(target, [i for i, f in earlier.items() if f[0].table == fact.table])
        yield "supersedes", f'"{target}" is no earlier fact', right
    elif known[-1].table != fact.table:
        yield "supersedes", f'"{target}" is a {known[-1].table}', f"an earlier {fact.table}"
    else:
        others = [
            f.id
            for facts in earlier.values()
            for f in facts
            if f.supersedes == target and not _taken_back(f.id, earlier)
        ]
        if others:
            came = f'"{target}" is superseded by "{others[-1]}" already'
            yield "supersedes", came, f'supersedes = "{others[-1]}"'


def _taken_back(id: str, earlier: Mapping[str, list[Fact]]) -> bool:
    """Whether a revocation of it stands, which one of its own may take back, and so on."""
    by: dict[str, list[str]] = {}
    for fact in chain.from_iterable(earlier.values()):
        if isinstance(fact, Revocation):
            by.setdefault(fact.of, []).append(fact.id)
    known: dict[str, bool] = {}
    way = dict.fromkeys([id])  # of revocations that take each other back in a circle none stands
    while way:
        one = next(reversed(way))
        open_ones = [r for r in by.get(one, ()) if r not in known and r not in way]
        if open_ones:
            way[open_ones[0]] = None
        else:
            known[one] = any(not known.get(r, True) for r in by.get(one, ()))
            del way[one]
    return known[id]


def _overlaps(case: Case) -> Iterator[Found]:
    deployments = case.after.deployments
    for fact, known in _pairs(case, (d for d in deployments if d.primary), lambda d: d.channel):
        if fact.overlaps(known):
            span = f'"{known.id}" {_period(known)}'
            right = "end the earlier one with `to`" + _by_superseding(case, known)
            yield fact, "channel", f'"{fact.channel}" is fed by {span} too', right
    for fact, known in _pairs(case, deployments, lambda d: (d.channel, d.source, d.output)):
        if not (fact.primary and known.primary) and fact.overlaps(known):
            span = f'"{known.id}" {_period(known)}'
            yield fact, "output", f"the same output feeds the channel in {span} too", "one of them"
    with_sensor = [d for d in deployments if d.sensor is not None]
    for fact, known in _pairs(case, with_sensor, lambda d: d.sensor):
        if fact.source != known.source and fact.overlaps(known):
            came = f'"{fact.sensor}" is at {known.source} then, by "{known.id}" {_period(known)}'
            yield fact, "sensor", came, "one source for a sensor at a time"


def _pairs(
    case: Case, facts: Iterable[Kind], key: Callable[[Kind], object]
) -> Iterator[tuple[Kind, Kind]]:
    """(new fact, other fact) of equal key, each pair once."""
    groups: dict[object, list[Kind]] = {}
    for fact in facts:
        groups.setdefault(key(fact), []).append(fact)
    for one, other in chain.from_iterable(combinations(group, 2) for group in groups.values()):
        if case.is_new(other):
            yield other, one
        elif case.is_new(one):
            yield one, other


def _by_superseding(case: Case, known: Deployment) -> str:
    return "" if case.is_new(known) else f', in a new one with supersedes = "{known.id}"'


def _period(fact: Period) -> str:
    start = instant_text(fact.from_ns) if fact.from_ns is not None else "ever"
    end = instant_text(fact.to_ns) if fact.to_ns is not None else "open"
    return f"(from {start} to {end})"


def _channels(case: Case) -> Iterator[Found]:
    for fact, known in _pairs(case, case.after.channels.values(), _series):
        came = f'"{fact.id}" says the same as "{known.id}"'
        yield fact, "id", came, "replicate = 2, if they are two series"


def _series(fact: ChannelFact) -> tuple[object, ...]:
    return tuple(getattr(fact, key) for key in fact.frozen)


def _revocations(case: Case) -> Iterator[Found]:
    for fact in case.new(Revocation):
        if fact.of not in case.before.ever:
            names = case.before.ever
            yield fact, "of", f'"{fact.of}" is no applied fact', did_you_mean(fact.of, names)
        elif fact.of in case.before.channels and fact.of not in case.after.channels:
            named = [d.id for d in case.after.deployments if d.channel == fact.of]
            if named:
                came = f'channel "{fact.of}" is fed by {", ".join(named)}'
                yield fact, "of", came, "revoke its deployments first"
