"""What could not be read or decoded, in the log: one line for each cause, never for each record.

Each source has its own number of causes: what one of them sends, or a stranger in the name of none,
neither fills the log nor silences the words about another.
"""

import logging
import re
from collections.abc import Hashable

from edaphon.derive.decode import Note
from edaphon.derive.files import KeptRefusal
from edaphon.derive.pipeline import DeadLetter, LostLine
from edaphon.service.file_lines import refusal_text

__all__ = ["RefusedLog"]

# Of each source and kind; those of messages of no source are one source for each broker.
CAUSES = 50
_QUOTED_OR_NUMBER = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")
_log = logging.getLogger("edaphon")


class RefusedLog:
    """The listeners of a deriver; ledgers, accounts of files and status count everything."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], set[Hashable]] = {}

    def dead_letter(self, letter: DeadLetter) -> None:
        cause = (letter.source, letter.why)
        if self._is_new("dead letter", letter.path or f"none at {letter.source}", cause):
            _log.warning("dead letter %s from %s: %s", letter.sequence, *cause)

    def lost_line(self, lost: LostLine) -> None:
        kind = _QUOTED_OR_NUMBER.sub("", lost.line.reason)
        if self._is_new("lost line", lost.source, (lost.file, kind)):
            text = refusal_text(KeptRefusal.of(lost.line, 0)._asdict())
            words = "%s %s: line refused (1 for each reason is shown): %s"
            _log.warning(words, lost.source, lost.file, text)

    def note(self, note: Note) -> None:
        if self._is_new("note", note.path, note):
            _log.warning("%s: %s: no value of it (the first is shown, status counts all)", *note)

    def _is_new(self, kind: str, source: str, cause: Hashable) -> bool:
        known = self._known.setdefault((kind, source), set())
        if cause in known or len(known) >= CAUSES:
            return False
        known.add(cause)
        return True
