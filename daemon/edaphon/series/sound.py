"""Whether the blocks of a series hold the rows that their digests were made of."""

from collections.abc import Mapping

from edaphon.series.reader import DamagedRows
from edaphon.series.rows import Rows
from edaphon.series.store import BlockHead, Store

__all__ = ["is_sound", "sound_rows"]


def sound_rows(store: Store, head: BlockHead, ids: Mapping[int, str]) -> Rows | None:
    """The rows of a block; None where they are not those that its digest was made of."""
    try:
        return store.sound_rows(head, ids.__getitem__)
    except (DamagedRows, KeyError):
        return None


def is_sound(store: Store, head: BlockHead) -> bool:
    """Whether a block of a file that is written to meanwhile is what it should be."""
    ids = {number: id for id, number in store.derivations().items()}
    if sound_rows(store, head, ids) is not None:
        return True
    with store.snapshot():  # it may be another one now, or none
        now = [each for each in store.heads(head.channel) if each.day == head.day]
        ids = {number: id for id, number in store.derivations().items()}
        return all(sound_rows(store, each, ids) is not None for each in now)
