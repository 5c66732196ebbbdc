"""Where new facts contradict what is known: names used again, overlaps, what must not change."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations, islice
from typing import NamedTuple

from edaphon.clock import instant_text
from edaphon.facts.files import FactRow
from edaphon.facts.fitting import fitting_errors
from edaphon.facts.knowledge import Found, Kind, Knowledge, NewFacts, new_rows
from edaphon.facts.model import ChannelFact, Deployment, Fact, Period, Revocation
from edaphon.facts.references import reference_errors
from edaphon.toml_input.lines import ConfigError, did_you_mean
from edaphon.toml_input.models import MOST_ERRORS, RIGHT, came_hidden, hidden_texts
from edaphon_drivers.sheets import Output, Sheets

_PROSE = frozenset({"soil", "treatment", "method", "reference", "cause", "why"})  # lines are right


def knowledge_conflicts(
    rows: Sequence[FactRow],
    knowledge: Knowledge,
    sources: Mapping[str, Mapping[str, Output]] | None = None,
    doubtful: frozenset[str] = frozenset(),
    sheets: Sheets | None = None,
) -> list[ConfigError]:
    """Complaints about `rows` on top of what is known, rows known already left out.

    `sources` are the outputs of each source path; without them names that may be elsewhere are
    not checked, nor are `doubtful` ones (ids of rows that are wrong in themselves). `sheets` holds
    the owner's model sheets in addition to those of the package.
    """
    config_errors = list(islice(_identity(rows, knowledge), MOST_ERRORS))
    wrong = {(c.file, c.line) for c in config_errors}
    right = [r for r in new_rows(rows, knowledge) if (r.file, r.line_of("id")) not in wrong]
    new = NewFacts.of(right, knowledge, sources, doubtful, sheets)
    rules = [_overlaps, _channels, _revocations, _hidden, reference_errors]
    rules += [fitting_errors] if sources is not None else []
    found = [one for rule in rules for one in islice(rule(new), MOST_ERRORS)]
    config_errors += [new.config_error(*one) for one in found]
    return sorted(set(config_errors))


def _hidden(new: NewFacts) -> Iterator[Found]:
    """What is known already may hold such characters: it is printed so that they can be seen."""
    for row in new.rows.values():
        for place, text in hidden_texts(row.fact, apart={"file"}):
            key = str(place[0])
            if came := came_hidden(text, lines=key in _PROSE):
                yield row.fact, key, came, RIGHT


def _identity(rows: Sequence[FactRow], knowledge: Knowledge) -> Iterator[ConfigError]:
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
    again = fact.renewed and known.table == fact.table
    new = "keep that row and write this one" if again else "write a new one"
    right = f'a fact is never edited: {new} with supersedes = "{fact.id}"'
    return "id", f'"{fact.id}" was applied with other content', right


def _frozen(fact: Fact, known: Fact) -> Iterator[tuple[str, str, str]]:
    for key in fact.frozen:
        before, now = getattr(known, key, None), getattr(fact, key)
        if before != now:
            written = key.removesuffix("_ns")
            came = f"{'nothing' if now is None else now} instead of {before}"
            yield written, came, f"this never changes: write a new {fact.table} with another id"


def _superseding(fact: Fact, earlier: Mapping[str, list[Fact]]) -> Iterator[tuple[str, str, str]]:
    target = fact.supersedes or ""
    known = earlier.get(target)
    if fact.renewed:
        right = f'supersedes = "{fact.id}" to change what is known about it, or leave it out'
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
            came = f'"{target}" is already superseded by "{others[-1]}"'
            yield "supersedes", came, f'supersedes = "{others[-1]}"'


def _taken_back(id: str, earlier: Mapping[str, list[Fact]]) -> bool:
    """Whether a revocation of it is in force, which one of its own may take back, and so on."""
    by: dict[str, list[str]] = {}
    for fact in chain.from_iterable(earlier.values()):
        if isinstance(fact, Revocation):
            by.setdefault(fact.of, []).append(fact.id)
    known: dict[str, bool] = {}
    way = dict.fromkeys([id])  # of revocations that take each other back in a circle none counts
    while way:
        one = next(reversed(way))
        open_ones = [r for r in by.get(one, ()) if r not in known and r not in way]
        if open_ones:
            way[open_ones[0]] = None
        else:
            known[one] = any(not known.get(r, True) for r in by.get(one, ()))
            del way[one]
    return known[id]


def _overlaps(new: NewFacts) -> Iterator[Found]:
    deployments = new.after.deployments
    for fact, known in _pairs(new, (d for d in deployments if d.primary), lambda d: d.channel):
        if fact.overlaps(known):
            span = f'"{known.id}" {_period(known)}'
            right = "end the earlier one with `to`" + _by_superseding(new, known)
            yield fact, "channel", f'"{fact.channel}" is fed by {span} too', right
    for fact, known in _pairs(new, deployments, lambda d: (d.channel, d.source, d.output)):
        if not (fact.primary and known.primary) and fact.overlaps(known):
            span = f'"{known.id}" {_period(known)}'
            yield fact, "output", f"the same output feeds the channel in {span} too", "one of them"
    with_sensor = [d for d in deployments if d.sensor is not None]
    for fact, known in _pairs(new, with_sensor, lambda d: d.sensor):
        if fact.source != known.source and fact.overlaps(known):
            by = f'by "{known.id}" {_period(known)}'
            came = f'"{fact.sensor}" is at {known.source} at that time, {by}'
            yield fact, "sensor", came, "one source for a sensor at a time"


def _pairs(
    new: NewFacts, facts: Iterable[Kind], key: Callable[[Kind], object]
) -> Iterator[tuple[Kind, Kind]]:
    """(new fact, other fact) of equal key, each pair once."""
    groups: dict[object, list[Kind]] = {}
    for fact in facts:
        groups.setdefault(key(fact), []).append(fact)
    for one, other in chain.from_iterable(combinations(group, 2) for group in groups.values()):
        if new.is_new(other):
            yield other, one
        elif new.is_new(one):
            yield one, other


def _by_superseding(new: NewFacts, known: Deployment) -> str:
    return "" if new.is_new(known) else f', in a new one with supersedes = "{known.id}"'


def _period(fact: Period) -> str:
    start = instant_text(fact.from_ns) if fact.from_ns is not None else "ever"
    end = instant_text(fact.to_ns) if fact.to_ns is not None else "open"
    return f"(from {start} to {end})"


def _channels(new: NewFacts) -> Iterator[Found]:
    for fact, known in _pairs(new, new.after.channels.values(), _series):
        came = f'"{fact.id}" describes the same series as "{known.id}"'
        yield fact, "id", came, "replicate = 2, if they are two series"


def _series(fact: ChannelFact) -> tuple[object, ...]:
    return tuple(getattr(fact, key) for key in fact.frozen)


def _revocations(new: NewFacts) -> Iterator[Found]:
    for fact in new.new(Revocation):
        if fact.of not in new.before.ever:
            names = new.before.ever
            yield fact, "of", f'"{fact.of}" is no applied fact', did_you_mean(fact.of, names)
        elif fact.of in new.before.channels and fact.of not in new.after.channels:
            named = [d.id for d in new.after.deployments if d.channel == fact.of]
            if named:
                came = f'channel "{fact.of}" is fed by {", ".join(named)}'
                yield fact, "of", came, "revoke its deployments first"


class Contradiction(NamedTuple):
    """A source where another serial number answers than the deployments say."""

    path: str
    expected: str
    reported: str
    explanation: str

    @property
    def words(self) -> str:
        came = f"expected sensor {self.expected}, {self.reported} answers"
        return f"{self.path}: {came}; {self.explanation}"


def deployed_sensors(knowledge: Knowledge, now_ns: int) -> dict[str, str]:
    """The sensor at each path at that time [UTC ns], where deployments name one."""
    deployed = _deployed(knowledge, now_ns).items()
    return {path: one.sensor for path, one in deployed if one.sensor is not None}


def _deployed(knowledge: Knowledge, now_ns: int) -> dict[str, Deployment]:
    """By path, the first deployment of a sensor that covers that time."""
    found: dict[str, Deployment] = {}
    for one in knowledge.deployments:
        if one.sensor is not None and one.covers(now_ns):
            found.setdefault(one.source, one)
    return found


def contradictions(
    reported: Mapping[str, str],
    knowledge: Knowledge,
    now_ns: int,
    reported_ns: Mapping[str, int] | None = None,
) -> tuple[Contradiction, ...]:
    """`reported` are the serial numbers that instruments gave, by path; "" is no answer.

    `reported_ns` says when [UTC ns]: one given before a deployment began does not count.
    """
    deployed = deployed_sensors(knowledge, now_ns)
    begun = {path: one.from_ns for path, one in _deployed(knowledge, now_ns).items()}
    reported = {
        path: serial
        for path, serial in reported.items()
        if (reported_ns or {}).get(path, now_ns) >= (begun.get(path) or -(2**63))
    }
    wrong = {
        path: serial
        for path, serial in sorted(reported.items())
        if serial and deployed.get(path, serial) != serial
    }
    latest = f"({instant_text(now_ns - now_ns % 60_000_000_000)} at the latest)"

    def explanation(path: str, serial: str) -> str:
        if serial in deployed.values() or list(reported.values()).count(serial) > 1:
            return _explained(path, reported, wrong, deployed, latest)
        return _exchanged(serial, deployed[path], knowledge, latest)

    return tuple(
        Contradiction(path, deployed[path], serial, explanation(path, serial))
        for path, serial in wrong.items()
    )


def explanations(found: tuple[Contradiction, ...]) -> tuple[str, ...]:
    """A sentence for each thing that happened: a swap of two probes is one, not two."""
    paths: dict[str, list[str]] = {}
    for one in found:
        paths.setdefault(one.explanation, []).append(
            f"{one.path} has {one.reported} instead of {one.expected}"
        )
    return tuple(f"{', '.join(where)}: {what}" for what, where in paths.items())


def _explained(
    path: str,
    reported: Mapping[str, str],
    wrong: Mapping[str, str],
    deployed: Mapping[str, str],
    latest: str,
) -> str:
    """Where the sensor that answers here belongs, and what answers there."""
    twice = sorted(p for p, serial in reported.items() if serial == reported[path])
    if len(twice) > 1:
        return f"{reported[path]} answers at {_listed(twice)}: two sources poll one probe"
    ring = list(_ring(path, wrong, deployed))
    if ring:
        first = ring.index(min(ring))
        places = _listed(ring[first:] + ring[:first])
        return (
            f"{places} report each other's serial numbers: the probes or their addresses are "
            f"swapped; swap them back, or enter deployments from the time of the swap {latest}"
        )
    home = _home(reported[path], deployed)
    return (
        f"{reported[path]} belongs at {home}, where {reported.get(home) or 'nobody'} answers: it"
        " was moved or its address was changed; put it back, or enter deployments from the time of"
        f" the move {latest}"
    )


def _exchanged(serial: str, before: str, knowledge: Knowledge, latest: str) -> str:
    known = serial in knowledge.sensors
    what = f"{serial}, which is deployed nowhere," if known else f"a new sensor {serial}"
    enter = "[[deployment]]" if known else "[[sensor]] and [[deployment]]"
    return f"{what} is where {before} was; enter {enter} from the time of the exchange {latest}"


def _ring(path: str, wrong: Mapping[str, str], deployed: Mapping[str, str]) -> Iterator[str]:
    """The paths of a swap, each having the next one's sensor; nothing when it does not close."""
    places = [path]
    while (home := _home(wrong.get(places[-1], ""), deployed)) and home not in places:
        places.append(home)
    if home == path:
        yield from places


def _home(serial: str, deployed: Mapping[str, str]) -> str:
    return next((path for path, sensor in deployed.items() if sensor == serial), "")


def _listed(paths: list[str]) -> str:
    return f"{', '.join(paths[:-1])} and {paths[-1]}"
