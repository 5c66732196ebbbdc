"""What people should know of followed files: lines that wait for their end, bytes not read."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from edaphon.acquire.follow import Follower
from edaphon.acquire.followed import FileView

__all__ = ["file_notes", "file_rows"]


def file_notes(followers: Mapping[str, Follower], utc_offset_s: int) -> Iterator[dict[str, str]]:
    """For `edaphon status`: what waits, and what was possibly not read; times are the site's."""
    for source, follower in followers.items():
        for file in follower.files():
            if words := waiting_words(file, utc_offset_s):
                yield {"source": source, "file": file.name, "words": f"{file.name}: {words}"}
        for loss in follower.losses():
            when = _time(loss.time_ns, utc_offset_s, "%Y-%m-%d %H:%M")
            yield {"source": source, "file": loss.file, "words": f"{loss.words} ({when})"}


def file_rows(followers: Mapping[str, Follower], utc_offset_s: int) -> Iterator[dict[str, Any]]:
    """For `edaphon files list`: each file that was begun, by source and name."""
    for source, follower in followers.items():
        for file in follower.files():
            words = waiting_words(file, utc_offset_s)
            yield {"source": source, **file._asdict(), "waits": words}


def waiting_words(file: FileView, utc_offset_s: int) -> str:
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
