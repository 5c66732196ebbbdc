"""New facts beside what was known before and what would be known after them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from edaphon.facts.basis import Fact
from edaphon.facts.files import FactRow
from edaphon.facts.knowledge import Knowledge, Known
from edaphon.model import EntryId
from edaphon.toml_input import ConfigError, did_you_mean
from edaphon_drivers.sheets import Output, Sheets

__all__ = ["Case", "Found", "unless_known"]

Found = tuple[Fact, str, str, str]  # the fact complained of, its key, what came, what is right
Kind = TypeVar("Kind", bound=Fact)

_AFTER_ALL = 2**31  # a file number that no journal reaches: new facts come last


@dataclass(frozen=True)
class Case:
    """`sources` are the outputs of each source path, None where the configuration is not known.

    `doubtful` names are those of rows that are wrong themselves; who names them is not to blame.
    """

    rows: Mapping[int, FactRow]  # by the identity of the fact: equal facts may be old and new
    before: Knowledge
    after: Knowledge
    sources: Mapping[str, Mapping[str, Output]] | None
    doubtful: frozenset[str] = frozenset()
    sheets: Sheets = field(default_factory=Sheets)

    @classmethod
    def of(
        cls,
        rows: Sequence[FactRow],
        knowledge: Knowledge,
        sources: Mapping[str, Mapping[str, Output]] | None,
        doubtful: frozenset[str] = frozenset(),
        sheets: Sheets | None = None,
    ) -> "Case":
        new = (Known(EntryId(_AFTER_ALL, n), row.fact) for n, row in enumerate(rows))
        after = Knowledge((*knowledge.entered, *new))
        known = {id(row.fact): row for row in rows}
        return cls(known, knowledge, after, sources, doubtful, sheets or Sheets())

    def new(self, kind: type[Kind]) -> Iterator[Kind]:
        for row in self.rows.values():
            if isinstance(row.fact, kind):
                yield row.fact

    def is_new(self, fact: Fact) -> bool:
        return id(fact) in self.rows

    def config_error(self, fact: Fact, key: str, came: str, right: str) -> ConfigError:
        row = self.rows[id(fact)]
        return ConfigError(row.file, row.line_of(key), f"{fact.table}.{key}", came, right)


def unless_known(
    fact: Fact, key: str, name: str | None, names: Iterable[str], what: str
) -> Iterator[Found]:
    """A complaint about a name that is none of `names`; a key that is not given names nothing."""
    known = set(names)
    if name is not None and name not in known:
        yield fact, key, f'"{name}" is no {what}', did_you_mean(name, known)
