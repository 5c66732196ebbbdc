"""What people should know, in sentences: lines of followed files, floods, refused points."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from edaphon.acquire.budget import Flood
from edaphon.clock import DAY_NS, instant_text
from edaphon.derive.files import KeptRefusal, SourceFiles
from edaphon.printer import Among

if TYPE_CHECKING:
    from edaphon.acquire.broker import BrokerReader
    from edaphon.acquire.file_state import FileLoss, FileView
    from edaphon.acquire.files import Follower

# A person has a week to look at a line that was refused; then it is a count among others.
REFUSED_IS_A_PROBLEM_NS = 7 * DAY_NS
Row = Mapping[str, Any]
MOST_WAITING = 50  # of a source, in `edaphon status`
DEAD_FEW, DEAD_SHARE, DEAD_MANY = 100, 0.01, 10_000


@dataclass(frozen=True)
class FileLines:
    """What became of the lines of one file, with the latest that were refused."""

    source: str
    file: str
    copy: int
    lines: int
    counts: Among[Mapping[str, int]]
    missing: int
    latest_refused: list[dict[str, Any]]

    def is_accounted_for(self, noted: bool) -> bool:
        """Lines of entries whose loss is noted may be missing."""
        return self.lines == sum(self.counts.values()) and (noted or not self.missing)


def line_rows(files: Mapping[str, SourceFiles]) -> list[FileLines]:
    """One for each file, that which grew last behind the others of its source."""
    return [
        FileLines(
            path,
            name,
            account.copy,
            account.lines,
            account.counts._asdict(),
            account.missing,
            [refusal._asdict() for refusal in account.refused],
        )
        for path, source in sorted(files.items())
        for name, account in source.accounts()
    ]


def account_text(row: Row) -> str:
    """The account of one file as JSON has it, with its last refused line."""
    text = (
        f"{row['source']} {row['file']}: {row['lines']} lines = {row['rows']} rows"
        f" + {row['headers']} headers + {row['blank']} blank + {row['refused']} refused"
    )
    if row["missing"]:
        text += f"; {row['missing']} lines are missing in the journal"
    return "; ".join([text, *map(refusal_text, row["latest_refused"][-1:])])


def refusal_text(refusal: Row) -> str:
    """Where, why, and what is there."""
    text = KeptRefusal(**refusal).text
    return f"line {refusal['line']}: {refusal['reason']}: {text!r}"


def refusal_problems(files: Iterable[FileLines], now_ns: int) -> Iterator[str]:
    """Files with a line that was refused lately."""
    for one in files:
        known = one.latest_refused
        latest = [r for r in known if now_ns - r["received_ns"] < REFUSED_IS_A_PROBLEM_NS]
        if latest:
            n = one.counts["refused"]
            lines = "1 line" if n == 1 else f"{n} lines"
            yield f"{one.source} {one.file}: {lines} refused; {refusal_text(latest[-1])}"


def file_notes(followers: Mapping[str, "Follower"], utc_offset_s: int) -> Iterator[dict[str, str]]:
    """For `edaphon status`: what waits, and what was possibly not read; times are the site's."""
    for source, follower in followers.items():
        waiting = [(f, w) for f in follower.files() if (w := waiting_words(f, utc_offset_s))]
        for file, words in waiting[:MOST_WAITING]:
            yield {"source": source, "file": file.name, "words": f"{file.name}: {words}"}
        if (more := len(waiting) - MOST_WAITING) > 0:
            words = f"{more} more files wait; `edaphon files list` shows all"
            yield {"source": source, "file": "", "words": words}
        if losses := follower.losses():
            n = "1 possible loss" if follower.lost == 1 else f"{follower.lost} possible losses"
            words = f"{n}, the latest: {_loss_words(losses[-1], utc_offset_s)}"
            yield {"source": source, "file": losses[-1].file, "words": words}


def loss_problems(
    followers: Mapping[str, "Follower"], now_ns: int, utc_offset_s: int
) -> Iterator[str]:
    """What was possibly not read, as long as a person has to look at it."""
    for source, follower in followers.items():
        for loss in follower.losses():
            if now_ns - loss.time_ns < REFUSED_IS_A_PROBLEM_NS:
                yield (
                    f"{source}: {_loss_words(loss, utc_offset_s)}; if the instrument or a backup"
                    " has the whole file, copy it to where this source reads its files"
                )


def _loss_words(loss: "FileLoss", utc_offset_s: int) -> str:
    return f"{loss.words} ({_time(loss.time_ns, utc_offset_s, '%Y-%m-%d %H:%M')})"


def file_rows(followers: Mapping[str, "Follower"], utc_offset_s: int) -> Iterator[dict[str, Any]]:
    """For `edaphon files list`: each file that was begun, by source and name."""
    for source, follower in followers.items():
        for file in follower.files():
            words = waiting_words(file, utc_offset_s)
            yield {"source": source, **file._asdict(), "waits": words}


def waiting_words(file: "FileView", utc_offset_s: int) -> str:
    """What is behind the last whole line; "" for nothing."""
    count = file.size - file.offset
    if count <= 0:
        return ""
    if file.gone:
        return f"its last {count} bytes were no whole line when it was deleted or moved"
    if file.taken_ns is None:
        return f"its last {count} bytes are no whole line; they are read when the file grows"
    at = _time(file.taken_ns, utc_offset_s, "%H:%M")
    return f"the last line has no end yet; taken at {at} or when the file grows"


def _time(time_ns: int, utc_offset_s: int, form: str) -> str:
    there = datetime.fromtimestamp(time_ns // 10**9, UTC) + timedelta(seconds=utc_offset_s)
    return there.strftime(form)


def flood_rows(floods: Mapping[str, Flood]) -> list[dict[str, Any]]:
    """One for each source, or broker for messages of no source."""
    return [{"source": source, **flood._asdict()} for source, flood in sorted(floods.items())]


def flood_text(row: Mapping[str, Any]) -> str:
    """For `edaphon status`."""
    again = f", {row['again']} of them came again" if row["again"] else ""
    return (
        f"not kept, above the budget of {row['source']}: {row['n']} items, {row['size']} bytes"
        f"{again}, from {instant_text(row['first_ns'])} to {instant_text(row['last_ns'])}"
    )


def flood_problems(
    floods: Mapping[str, Flood], brokers: Mapping[str, Any], now_ns: int
) -> Iterator[tuple[str, str]]:
    """(source or broker, words) of what came above a budget, while it lasts and for a week."""
    for row in flood_rows(floods):
        if now_ns - row["last_ns"] < REFUSED_IS_A_PROBLEM_NS:
            name = row["source"]
            if name in brokers:
                do = (
                    "no [[source]] names their topics or devices: name fewer topics in [broker],"
                    " or find out who publishes there"
                )
            else:
                do = (
                    "see what is wrong with the instrument, or who sends in its name; if all of it"
                    " is data, set source_mb_per_day in [budget]"
                )
            yield name, f"{flood_text(row)}; {do}"


def set_aside_words(name: str, n: int) -> Iterator[str]:
    """What a person should know of points that a sink refuses."""
    if n:
        points = "point is" if n == 1 else "points are"
        yield (
            f"sink {name}: {n} {points} set aside, because the server refuses them; see its"
            f" words with `edaphon sink list`, then `edaphon sink retry {name}`"
        )


def dead_letter_words(dead: int, of: int) -> Iterator[str]:
    """A few dead letters of many records are no problem: a test message, another port."""
    if dead >= DEAD_MANY or (dead >= DEAD_FEW and dead >= DEAD_SHARE * of):
        yield (
            f"entries: {dead} dead letters of {of} records could not be decoded; the log of the"
            " daemon names source and reason of each kind"
        )


def broker_words(readers: "Mapping[str, BrokerReader]") -> Iterator[str]:
    """What a connected broker did to messages since the start."""
    for name, reader in sorted(readers.items()):
        if n := reader.link.state.lost_sessions:
            yield (
                f"broker {name}: it forgot the session of this client {n} times since the start:"
                " messages that waited there are lost; see its persistence settings"
                " (deploy/mosquitto/edaphon.conf)"
            )
        if n := reader.link.state.refused_topics:
            yield f"broker {name}: it refuses {n} of the topics; see its access list"
