"""Messages, settings with a canary for a secret, and what must hold of every error."""

import traceback
from pathlib import Path
from typing import Any

from edaphon.alerts.model import Message, Occasion, Severity
from edaphon.alerts.receivers import Context, opened
from edaphon.config import Notify

CANARY = "Kanarie-7f3a/9"  # with a character that an address escapes
T0 = 1_780_000_000_000_000_000
CONTEXT = Context("whs-logger-1", "whs", "https://logger.example.org")


def message(occasion: Occasion = Occasion.OPENED, number: int = 17, **more: Any) -> Message:
    known: dict[str, Any] = {
        "severity": Severity.LOST,
        "title": "Adapter A10K gone: 12 probes give no data",
        "short": "#17 lost: adapter A10K, 12 probes\nsince 07:10. Plug it in.",
        "text": 'Lost since 07:10: "12 probes"\nPrüfe den Stecker \\ 5 °C\n',
        "time_ns": T0,
    }
    return Message(occasion, number, **{**known, **more})


def secret(folder: Path, text: str = CANARY, name: str = "secret") -> dict[str, str]:
    path = folder / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return {"file": str(path)}


def receiver(kind: str, context: Context = CONTEXT, name: str = "r", **settings: Any) -> Any:
    return opened(Notify.model_validate({"name": name, "kind": kind, **settings}), context)


def assert_hidden(error: BaseException | None, canary: str = CANARY) -> None:
    """No text, field or chained error shows the secret."""
    while error is not None:
        shown = [str(error), repr(error), repr(vars(error)), repr(error.args)]
        shown.append("".join(traceback.format_exception_only(error)))
        assert not [text for text in shown if canary in text]
        error = error.__cause__ or error.__context__
