"""Everything else, by Apprise in a child process for the time of one message."""

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from edaphon.alerts.model import Message, Receiver, SendLater, SendRefused
from edaphon.alerts.receivers import WHOLE_S, Context, ReceiverKind, Remark, secret_text, sendable
from edaphon.network.requests import Secrets
from edaphon.toml_input.values import Secret, Table

CHILD = Path(__file__).with_name("apprise_child.py")
WORDS = 200
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TZ")
_STATUS = re.compile(r"error=(4\d\d)")
_MAY_PASS = {"408", "425", "429"}


class AppriseSettings(Table):
    """Any service that Apprise knows, by its address."""

    kind: Literal["apprise"] = "apprise"
    address: Secret

    @property
    def reaches(self) -> Iterator[tuple[str, Secret]]:
        """What is connected to, by its key."""
        yield "address", self.address


def install_line() -> str:
    return f"{sys.executable} -m pip install 'apprise>=2.2,<3'"


def doubts(settings: AppriseSettings) -> Iterator[Remark]:
    """Looks for Apprise without importing it; recording does not stop because it is not there."""
    if importlib.util.find_spec("apprise") is None:
        yield "kind", "Apprise is not installed", f"type: {install_line()}"


class Apprise(Receiver):
    """See Receiver."""

    def __init__(self, settings: AppriseSettings, _: Context) -> None:
        self._settings = settings

    def send(self, message: Message) -> None:
        address = secret_text(self._settings.address, "the address for Apprise").strip()
        title, body = sendable(message.title), sendable(message.text)
        asked = {"address": address, "title": title, "body": body}
        answer = _asked(json.dumps(asked))
        words = Secrets(address).excerpt(str(answer.get("words", "")), WORDS)
        did = answer.get("did")
        if did == "taken":
            return
        if did == "lacking":
            raise SendRefused(f"Apprise is not installed; type: {install_line()}")
        if did == "unknown":
            raise SendRefused("Apprise knows no service of this address; see the secret `address`")
        found = _STATUS.search(words)
        if found and found[1] not in _MAY_PASS:
            raise SendRefused(f"the service refuses the message: {words}")
        raise SendLater(f"Apprise could not send it: {words or 'no reason given'}")


def _asked(text: str) -> dict[str, Any]:
    """What the child answers; Later when it does not in time, or dies."""
    child = subprocess.Popen(  # noqa: S603  our own module, no word of others in its arguments
        [sys.executable, "-P", str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        start_new_session=True,  # so that what it starts ends with it
        text=True,
        encoding="utf-8",
    )
    out = ""
    try:
        out, _ = child.communicate(text, timeout=WHOLE_S)
        why = f"the process of Apprise ended without an answer (code {child.returncode})"
    except subprocess.TimeoutExpired:
        why = f"Apprise was not done within {WHOLE_S:g} s"
    finally:
        _end(child)
    with contextlib.suppress(ValueError):
        answer = json.loads(out)
        if isinstance(answer, dict):
            return answer
    raise SendLater(why)


def _end(child: "subprocess.Popen[str]") -> None:
    """With all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


KIND = ReceiverKind(AppriseSettings, Apprise, doubts=doubts)
