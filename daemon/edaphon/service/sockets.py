"""The two sockets of the daemon: one for the commands of people, a narrow one for the page.

The page's process runs under an account of its own, which may use the narrow one alone: taken over,
it can read what the page shows anyway, and change nothing.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edaphon.service.prerequisites import is_services
from edaphon.storage.client import DaemonRefuses

__all__ = ["PAGE_FOLDER", "PAGE_VERBS", "page_socket", "page_verbs_only"]

PAGE_FOLDER = Path("/run/edaphon")  # of the installed service; its group is the page's
PAGE_VERBS = frozenset({"status", "series"})  # those that read, and that the page needs

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def page_socket(file: Path, storage: Path) -> Path:
    """Where the page asks: the account of a service's page can't enter the storage folder.

    `file` is the configuration, or systemd's copy of it for the page.
    """
    copies = os.environ.get("CREDENTIALS_DIRECTORY")  # systemd.exec(5)
    of_service = is_services(file) or (copies and Path(copies) in file.absolute().parents)
    return (PAGE_FOLDER if of_service and PAGE_FOLDER.is_dir() else storage) / "page.sock"


def page_verbs_only(answer: Answer) -> Answer:
    """What asks `answer` for these verbs, and refuses all others."""

    def narrow(request: Mapping[str, Any]) -> Mapping[str, Any]:
        verb = request.get("verb") if isinstance(request, dict) else None
        if not isinstance(verb, str) or verb not in PAGE_VERBS:
            known, got = ", ".join(sorted(PAGE_VERBS)), str(verb)[:80]
            raise DaemonRefuses(
                f"expected a verb of the page ({known}), got {got!r}; other verbs are for the"
                " edaphon command"
            )
        return answer(request)

    return narrow
