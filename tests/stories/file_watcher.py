"""Which lines of which files stood there long enough to be read, by whose name, in which order.

The rules are those of the technician's guide. Nothing of edaphon is used.
"""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.stories.file_reader import (
    Form,
    Line,
    Row,
    ended,
    is_names,
    last_character,
    lines_of,
    mark_of,
    read,
    torn_lines,
    waits,
)

__all__ = ["Disk", "Taken", "Watcher"]

HELD_S = 25 * 3600


@dataclass(eq=False)
class File:
    """A file, whatever its name; times are seconds of the plot's clock."""

    data: bytes = b""
    changed: float = 0.0
    moves: int = 0


class Disk:
    """The files of a folder by name."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}

    def write(self, name: str, data: bytes, now: float, fresh: bool = False) -> None:
        """`fresh`: another file is put there."""
        if fresh or name not in self.files:
            self.files[name] = File()
        self.files[name].data, self.files[name].changed = data, now


class Taken(NamedTuple):
    """A row that was taken: in which look, by which line of its file, whether without its end."""

    order: tuple[int, int, int]
    row: Row
    torn: bool


@dataclass(eq=False)
class Story:
    """What was read of a file over all its names."""

    data: bytes = b""
    orders: list[tuple[int, int, int]] = field(default_factory=list)  # of each line
    torn: int = 0  # so many lines are read again: the last, or all of a header, has no end
    name: str = ""
    begins: int = 0  # the first line that counts under that name
    moved: bool = False  # nothing was read under that name yet
    waits: bool = False  # nothing was read at all: a new copy

    def lines(self, form: Form) -> list[Line]:
        return read(self.data, form)


class Watcher:
    """Follows a disk as a person who looks from time to time would."""

    def __init__(self, form: Form, pattern: frozenset[str]) -> None:
        self.form, self.pattern = form, pattern
        self.looks = 0
        self.stories: dict[str, Story] = {}
        self.former: list[Story] = []
        self.kinds: dict[str, Counter[str]] = {}  # of what is finished, by name
        self.taken: list[Taken] = []  # likewise
        self.last: dict[str, File] = {}  # the file that stood under a name at the last look
        self.restart()

    def restart(self) -> None:
        """Another process: what was held open is not any more."""
        self.held: dict[str, File] = {}
        self.since: dict[str, float] = {}  # when a file was last seen to change
        self.stat: dict[str, tuple[int, bytes, float, int]] = {}
        self.begun: dict[str, float] = {}
        self.gone: set[str] = set()  # names that were left already

    def snapshot(self) -> object:
        return deepcopy((self.looks, self.stories, self.former, self.kinds, self.taken))

    def restore(self, snapshot: object) -> None:
        looks, self.stories, self.former, self.kinds, self.taken = deepcopy(snapshot)  # type: ignore[misc]
        self.looks = max(looks, self.looks)

    # -- a look ------------------------------------------------------------------------------

    def look(self, disk: Disk, now: float) -> None:
        self.looks += 1
        there = {n: f for n, f in disk.files.items() if n in self.pattern}
        order = sorted(there, key=lambda n: (there[n].changed, n))
        for name in [*order, *self.stories]:
            if name not in self.begun:
                self.begun[name] = -1.0 if name in self.stories else now
        gone = {name for name in self.stories if name not in there}
        others = []
        for name in sorted([*order, *sorted(gone)], key=self._is_unread):
            if name in there and not self._is_other(name, there[name], there):
                continue
            if name not in self.gone:
                self._leave(name, disk)
            if name in there:
                others.append(name)
                self._retire(name)
        self.gone = gone
        for name in others:
            self._begin(name, there[name], there)
        for n, name in enumerate(order):
            self._note(name, there[name], now)
            self._follow(name, there, now, n)
        young = [n for n in order if now - there[n].changed < HELD_S]
        self.held = {name: there[name] for name in young}

    def _note(self, name: str, file: File, now: float) -> None:
        stat = (id(file), file.data, file.changed, file.moves)
        if self.stat.get(name) != stat:
            self.since[name], self.stat[name] = now, stat

    def _is_unread(self, name: str) -> bool:
        """Such a name comes last: what left another name may stand there now."""
        return name not in self.stories or not self.stories[name].data

    def _is_other(self, name: str, file: File, there: dict[str, File]) -> bool:
        story = self.stories.get(name)
        if story is None or not file.data.startswith(story.data):
            return True
        if name in self.gone or self.last.get(name) is not file:  # nothing was read of it
            if not story.data and self._known_elsewhere(name, file, there) is not None:
                return True
            if story.data and not self._explains(story):
                return True
        held = self.held.get(name)
        read = len(story.data)
        return held is not None and not file.data[read:].startswith(held.data[read:])

    def _leave(self, name: str, disk: Disk) -> None:
        """What left its name, or was changed, is read to its end if it can be found."""
        last = self.last.get(name)
        story, held, now_there = self.stories.get(name), self.held.get(name), disk.files.get(name)
        if held is not None and held is not now_there:
            if story is None or not held.data.startswith(story.data):
                story = self._new(name)
            self._take(story, held.data, 1e9, True, 0)
            self.held.pop(name)
        elif story is not None and self._has_rows(story):
            like = name.split(".")[0]
            known = sorted(  # the file itself, those named like it, then the newest
                disk.files.items(),
                key=lambda one: (one[1] is last, one[0].startswith(like), one[1].changed, one[0]),
                reverse=True,
            )
            for other, file in known:
                if other != name and file.data.startswith(story.data):
                    if other not in self.pattern:
                        self._take(story, file.data, 1e9, True, 0)
                    break

    def _new(self, name: str) -> Story:
        self._retire(name)
        story = self.stories[name] = Story(name=name)
        return story

    def _retire(self, name: str) -> None:
        story = self.stories.pop(name, None)
        if story is not None and story.data:
            self.former.append(story)

    def _begin(self, name: str, file: File, there: dict[str, File]) -> None:
        story = self._known_elsewhere(name, file, there)
        if story is None:
            self._new(name)
            return
        self.former = [s for s in self.former if s is not story]
        self.stories = {n: s for n, s in self.stories.items() if s is not story}
        self._finish(story)
        story.name, story.moved = name, True
        story.begins = len(story.orders) - story.torn
        self.stories[name] = story

    def _known_elsewhere(self, name: str, file: File, there: dict[str, File]) -> Story | None:
        gone = [s for n, s in self.stories.items() if n not in there]
        for story in [*reversed(self.former), *reversed(gone)]:
            if story.name != name and self._has_rows(story) and file.data.startswith(story.data):
                return story
        return None

    def _has_rows(self, story: Story) -> bool:
        return len(story.orders) > len(self.form.head) and self._explains(story)

    def _explains(self, story: Story) -> bool:
        return not self.form.head or any(a.kind == "header" for a in story.lines(self.form))

    def _finish(self, story: Story) -> None:
        """What was read under its name so far stays as it is."""
        if story.moved:
            return
        lines = story.lines(self.form)
        own = self.kinds.setdefault(story.name, Counter())
        for at in range(story.begins, len(lines)):
            own[lines[at].kind] += 1
            torn = bool(story.torn) and at == len(lines) - 1
            if (row := lines[at].row) is not None:
                self.taken.append(Taken(story.orders[at], row, torn))

    # -- what is new -------------------------------------------------------------------------

    def _follow(self, name: str, there: dict[str, File], now: float, n: int) -> None:
        file, story = there[name], self.stories[name]
        quiet = now - self.since[name]
        if quiet >= 10 and (self._another_follows(name, there) or now - file.changed >= 3600):
            quiet = max(quiet, 3600)
        self.last[name] = file
        self._take(story, file.data, quiet, False, 1 + n)

    def _another_follows(self, name: str, there: dict[str, File]) -> bool:
        mine = there[name].changed
        return any(
            other != name and file.changed > mine and self.begun[other] > mine
            for other, file in there.items()
        )

    def _take(self, story: Story, data: bytes, quiet: float, gone: bool, n: int) -> None:
        self._take_feed(story, data)
        start = len(story.data)
        lines = lines_of(story.data)
        if start == len(data):
            return
        if story.torn:
            start -= sum(map(len, lines[-story.torn :]))
        known = len(lines) - story.torn
        headed = any(is_names(line.decode("latin-1"), self.form) for line in lines[:known]) or any(
            one.kind == "header" for one in story.lines(self.form)[:known]
        )
        size = waits(data, start, self.form, quiet, gone, headed)
        if start + size <= len(story.data):
            return
        if story.torn:
            self._put_aside(story, lines)
        before = story.orders[: len(story.orders) - story.torn]
        story.data, story.moved = data[: start + size], False
        count = len(lines_of(story.data))
        story.orders = before + [(self.looks, n, at) for at in range(len(before), count)]
        last = lines_of(story.data)[-1:]
        story.torn = 0
        if last and not ended(last[0], data):
            story.torn = torn_lines(story.data, self.form)

    def _take_feed(self, story: Story, data: bytes) -> None:
        """The LF behind a CR that ended a line already: a line without anything in it."""
        if story.torn or last_character(story.data) != "\r":
            return
        unit = len(mark_of(data)) or 1
        more = data[: len(story.data) + unit]
        if last_character(more) == "\n":
            story.data = more
            self.kinds.setdefault(story.name, Counter())["blank"] += 1

    def _put_aside(self, story: Story, lines: list[bytes]) -> None:
        """The row of a line that had no end, and is read again: it was taken all the same."""
        if story.moved:
            return  # it was finished under the name before
        line = story.lines(self.form)[-1]
        if line.row is not None:
            self.taken.append(Taken(story.orders[-1], line.row, True))

    def is_known_by_state(self) -> bool:
        """Whether something was found that no piece says: which file stands under which name."""
        stories = self.stories.values()
        return any(s.moved or not s.data or not self._explains(s) for s in stories)

    # -- what it comes to --------------------------------------------------------------------

    def account(self) -> dict[str, Counter[str]]:
        """By name, how many lines were what."""
        return self._closed().kinds

    def rows(self) -> list[Taken]:
        return self._closed().taken

    def _closed(self) -> "Watcher":
        closed = deepcopy(self)
        for story in closed._all_stories():
            closed._finish(story)
        return closed

    def _all_stories(self) -> Iterator[Story]:
        yield from self.stories.values()
        yield from self.former
