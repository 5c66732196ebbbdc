"""Times as a person types them in a command."""

from edaphon.errors import TimeError
from edaphon.instants import typed_ns
from edaphon.storage.access import fail

__all__ = ["moment_ns"]

_USAGE = 2


def moment_ns(text: str) -> int:
    """UTC ns, exactly as written, at most FAR_NS from 1970; UTC where no offset is given."""
    try:
        return typed_ns(text)
    except TimeError as error:
        raise fail(str(error), _USAGE) from None
