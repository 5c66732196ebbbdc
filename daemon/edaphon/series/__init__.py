"""Current observations in day blocks: derived, so they can be thrown away and made again."""

from edaphon.series.rows import DAY_NS
from edaphon.series.series import Change, Conflict, Series, Withdrawal
from edaphon.series.store import BlockHead, WrongFile

__all__ = ["DAY_NS", "BlockHead", "Change", "Conflict", "Series", "Withdrawal", "WrongFile"]
