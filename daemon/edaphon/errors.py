"""What can go wrong for who reads a site: the whole tree.

EdaphonError
    StorageError        no storage folder or release there, or nothing in it yet
        FolderUnknown   nobody says where the storage folder is
        DamagedError    a file is not what was written
    StaleError          the answer could be older than what is known: ask again
    UnknownChannel      no channel of that name
    NothingKnown        no entry had come by that time
    NoExplanation       no value at that time, or the record that it came from is lost
    TimeError           a time that can't be read
"""


class EdaphonError(Exception):
    """An answer that can't be given; the text says why, and what to do."""


class StorageError(EdaphonError):
    """There is no storage folder or release, or nothing in it yet."""


class FolderUnknown(StorageError):
    """No configuration names a storage folder."""


class DamagedError(StorageError):
    """A file is not what was written."""


class StaleError(EdaphonError):
    """The answer could be older than what is known, so none is given; ask again."""


class UnknownChannel(EdaphonError, LookupError):
    """No channel has that name."""


class NothingKnown(EdaphonError):
    """No entry had come by that time, so nothing was known then."""


class NoExplanation(EdaphonError):
    """There is no value at that time, or the record that it came from is lost."""


class TimeError(EdaphonError, ValueError):
    """A time that can't be read."""


class IncompleteWarning(UserWarning):
    """The answer lacks something that is lost, or can't be written at present."""
