"""The shell next to the service knows none of its secrets."""

import os
from typing import Any

import pytest

from edaphon.service import process


def test_the_shell_is_given_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setenv("EDAPHON_CANARY", "secret")
    monkeypatch.setattr(os, "posix_spawn", lambda *words, **_: given.append(words))
    monkeypatch.setattr("signal.set_wakeup_fd", lambda *_, **__: -1)
    process.end_for_certain()
    assert given[0][2] == {"PATH": os.environ["PATH"]}
