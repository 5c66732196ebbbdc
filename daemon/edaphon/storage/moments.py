"""Times as a person types them in a command."""

from datetime import UTC, datetime

from pydantic_core import PydanticCustomError

from edaphon.clock import FAR_NS
from edaphon.storage.access import fail
from edaphon.toml_input.values import instant_ns

__all__ = ["moment_ns"]

_USAGE = 2


def moment_ns(text: str) -> int:
    """UTC ns, exactly as written, at most FAR_NS from 1970; UTC where no offset is given."""
    return max(-FAR_NS, min(FAR_NS, _written_ns(text)))


def _written_ns(text: str) -> int:
    try:
        return instant_ns(text)
    except PydanticCustomError:
        pass  # a date, or without seconds or offset
    try:
        moment = datetime.fromisoformat(text)
        return instant_ns(moment if moment.tzinfo else _in_utc(text, moment))
    except (ValueError, PydanticCustomError):
        right = "a time such as 2026-04-01 or 2026-04-01T12:00:00Z"
        raise fail(f"expected {right}, got {text!r}", _USAGE) from None


def _in_utc(text: str, moment: datetime) -> str | datetime:
    """With all its decimals, of which a datetime keeps six."""
    return f"{text}Z" if "." in text else moment.replace(tzinfo=UTC)
