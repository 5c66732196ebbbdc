"""What people should know of followed files: lines that wait for their end, bytes not read."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from edaphon.service.file_lines import REFUSED_IS_A_PROBLEM_NS

if TYPE_CHECKING:  # a start without followed files does not pay for them
    from edaphon.acquire.file_state import FileView, Loss
    from edaphon.acquire.files import Follower

__all__ = ["file_notes", "file_rows", "loss_problems"]

MOST_WAITING = 50  # of a source, in `edaphon status`


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


def _loss_words(loss: "Loss", utc_offset_s: int) -> str:
    return f"{loss.words} ({_time(loss.time_ns, utc_offset_s, '%Y-%m-%d %H:%M')})"


def file_rows(followers: Mapping[str, "Follower"], utc_offset_s: int) -> Iterator[dict[str, Any]]:
    """For `edaphon files list`: each file that was begun, by source and name."""
    for source, follower in followers.items():
        for file in follower.files():
            words = waiting_words(file, utc_offset_s)
            yield {"source": source, **file._asdict(), "waits": words}


def waiting_words(file: "FileView", utc_offset_s: int) -> str:
    """What stands behind the last whole line; "" for nothing."""
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
