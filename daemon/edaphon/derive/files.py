"""The account of followed files: what became of each line, by source and file.

A line is a row, a header, blank or refused; the follower counted the lines when it cut the pieces,
so lines = rows + headers + blank + refused must hold, exactly.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edaphon_drivers.files.lines import FIRST, TEXT_BYTES, Context, LineCounts, RefusedLine, Slice
from edaphon_drivers.readings import Follows, Piece

FileReader = Callable[[Piece, Context], Iterator[Slice]]

LATEST_FILES = 50  # by source; daily files of ten years must not fill the checkpoint
LATEST_REFUSED = 5  # by file
MOST_FORMER = 32
_REASON_CHARACTERS = 200


class KeptRefusal(NamedTuple):
    """A refused line as it is kept to be shown; `text` holds its first bytes as Latin-1."""

    line: int
    reason: str
    text: str
    received_ns: int

    @classmethod
    def of(cls, refused: RefusedLine, received_ns: int) -> "KeptRefusal":
        text = refused.text[:TEXT_BYTES].decode("latin-1")
        return cls(refused.line, refused.reason[:_REASON_CHARACTERS], text, received_ns)


class _Unended(NamedTuple):
    """What the last line was taken for, and the context before it: it may come again, whole."""

    counts: LineCounts
    context: Context


class _CopyPlace(NamedTuple):
    """The line and byte behind what was read of a copy, and what its lines decide about the next.

    `unended` is the context before a last line without its end, which may come again.
    """

    line: int
    end: int
    context: Context
    unended: Context | None

    def context_at(self, piece: Piece) -> Context | None:
        """That of the piece if it can go on from here."""
        start = piece.offset - len(piece.header) * piece.headed
        if self.unended is not None and piece.line == self.line - 1 and start < self.end:
            return self.unended
        return self.context if piece.line == self.line and start == self.end else None

    def to_json(self) -> list[Any]:
        return [*self[:2], *(context and context.to_json() for context in self[2:])]

    @classmethod
    def of_json(cls, row: list[Any]) -> "_CopyPlace":
        line, end, context, unended = row
        return cls(line, end, Context.of_json(context), unended and Context.of_json(unended))


@dataclass(slots=True)
class FileAccount:
    """The lines of all copies of a file. `lines` is the number that the follower counted.

    `missing` are lines that were counted in the file and lost with a damaged journal. `next_line`
    and `end` [bytes] are the line and the place behind what was read of the copy.
    """

    lines: int = 0
    counts: LineCounts = LineCounts()
    missing: int = 0
    copy: int = 0
    next_line: int = 1
    context: Context = FIRST
    unended: _Unended | None = None
    refused: list[KeptRefusal] = field(default_factory=list)  # the latest, oldest first
    end: int = 0

    @property
    def closes(self) -> bool:
        return self.lines == self.counts.lines and not self.missing

    def read(
        self, piece: Piece, reader: FileReader, first: Context = FIRST
    ) -> Iterator[tuple[Slice, bool]]:
        """The slices of a piece and whether it is a line without end; `take` each at once.

        `first` is the context of a copy that begins.
        """
        self._follow(piece, first)
        held: Slice | None = None
        for one in reader(piece, self.context):
            if held is not None:
                self.context = held.context
                yield held, False
            held = one
        if held is None:
            return
        if piece.unended:  # the last line is a slice of its own
            self.unended = _Unended(held.counts, self.context)
        self.context = held.context
        yield held, piece.unended

    @property
    def place(self) -> "_CopyPlace":
        unended = self.unended.context if self.unended is not None else None
        return _CopyPlace(self.next_line, self.end, self.context, unended)

    def _follow(self, piece: Piece, first: Context) -> None:
        begins = _begins(piece) or (not piece.copy and piece.offset == len(piece.header))
        again = self.unended if piece.follows == Follows.AGAIN else None
        if begins or piece.copy != self.copy != 0:
            self.context = first
        elif again is not None:
            self.context = again.context
            self.counts = _sum(self.counts, again.counts, -1)
            self.lines -= again.counts.lines
            self.next_line -= again.counts.lines
            self.refused = [r for r in self.refused if r.line != piece.line]
        elif piece.copy == self.copy != 0:
            self.missing += max(0, piece.line - self.next_line)
        self.copy, self.unended = piece.copy, None
        self.next_line = piece.line + piece.lines
        self.end = piece.offset + len(piece.data)
        self.lines += piece.lines

    def take(self, counts: LineCounts, refused: Iterable[RefusedLine], received_ns: int) -> None:
        """The account of some lines; those of a piece of version 1 nobody had counted before."""
        self.counts = _sum(self.counts, counts)
        if not self.copy:
            self.lines += counts.lines
        self.refused += [KeptRefusal.of(line, received_ns) for line in refused]
        del self.refused[:-LATEST_REFUSED]

    def to_json(self) -> list[Any]:
        unended = self.unended and [list(self.unended.counts), self.unended.context.to_json()]
        own = [self.lines, list(self.counts), self.missing, self.copy, self.next_line]
        return [*own, self.context.to_json(), unended, [list(r) for r in self.refused], self.end]

    @classmethod
    def of_json(cls, row: list[Any]) -> "FileAccount":
        lines, counts, missing, copy, next_line, context, unended, refused, *end = row
        before = unended and _Unended(LineCounts(*unended[0]), Context.of_json(unended[1]))
        own = lines, LineCounts(*counts), missing, copy, next_line, Context.of_json(context)
        return cls(*own, before, [KeptRefusal(*r) for r in refused], *end)


@dataclass(slots=True)
class SourceFiles:
    """The files of one source: the latest by name, all others as one sum.

    `former` are the places of copies whose names other files have now: they may go on elsewhere.
    `meaning` names what their bytes were read by. A file of the sum that grows once more begins
    a new account, with the context of a first line.
    """

    meaning: str = ""
    files: dict[str, FileAccount] = field(default_factory=dict)  # the one that grew last is last
    others: int = 0
    rest: FileAccount = field(default_factory=FileAccount)
    former: list[_CopyPlace] = field(default_factory=list)

    def begin(self, piece: Piece) -> tuple[FileAccount, Context]:
        """The account of a piece, and the context of its first line if a copy begins with it."""
        first, account = self._first_context(piece), self.file(piece.name)
        if account.copy and _begins(piece):
            self.former = [*self.former, account.place][-MOST_FORMER:]
        return account, first

    def file(self, name: str) -> FileAccount:
        account = self.files.pop(name, None) or FileAccount()
        self.files[name] = account
        if len(self.files) > LATEST_FILES:
            oldest = self.files.pop(next(iter(self.files)))
            self.others += 1
            self.rest.lines += oldest.lines
            self.rest.missing += oldest.missing
            self.rest.counts = _sum(self.rest.counts, oldest.counts)
        return account

    def _first_context(self, piece: Piece) -> Context:
        """Where a copy begins in the middle of a file: that of the name it was followed by before.

        Of several that end at this line and byte it is the one that grew last.
        """
        if piece.follows is not Follows.BEGINS or piece.line <= 1:
            return FIRST
        others = [account.place for name, account in self.files.items() if name != piece.name]
        found = (place.context_at(piece) for place in reversed([*self.former, *others]))
        return next((context for context in found if context is not None), FIRST)

    @property
    def lines(self) -> int:
        """Of all files of the source."""
        return sum(account.lines for _, account in self.accounts())

    def accounts(self) -> Iterator[tuple[str, FileAccount]]:
        """By name, those in the sum under a name that says so."""
        if self.others:
            yield f"({self.others} earlier files)", self.rest
        yield from list(self.files.items())  # another thread may add one meanwhile

    def to_json(self) -> dict[str, Any]:
        files = {name: account.to_json() for name, account in self.files.items()}
        own = {"meaning": self.meaning, "files": files}
        former = [place.to_json() for place in self.former]
        return {**own, "others": self.others, "rest": self.rest.to_json(), "former": former}

    @classmethod
    def of_json(cls, table: Mapping[str, Any]) -> "SourceFiles":
        files = {name: FileAccount.of_json(row) for name, row in table["files"].items()}
        rest = FileAccount.of_json(table["rest"])
        former = [_CopyPlace.of_json(row) for row in table.get("former", [])]
        return cls(table["meaning"], files, table["others"], rest, former)


def whole_refused(piece: Piece, done: int, why: str) -> tuple[LineCounts, RefusedLine]:
    """All lines of a piece behind the first `done`, refused for one reason."""
    own = piece.data.count(b"\n") + (piece.data[-1:] != b"\n")
    n = (piece.lines if piece.copy else own) - done
    return LineCounts(refused=max(0, n)), RefusedLine(piece.line + done, why, piece.data)


def _begins(piece: Piece) -> bool:
    return piece.follows in {Follows.BEGINS, Follows.CHANGED}


def _sum(counts: LineCounts, others: LineCounts, sign: int = 1) -> LineCounts:
    return LineCounts(*(a + sign * b for a, b in zip(counts, others, strict=True)))
