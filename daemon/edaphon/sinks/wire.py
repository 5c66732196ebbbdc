"""Requests to one database server: bounded in time, verified by TLS, never sent on elsewhere."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import urllib3

from edaphon.sinks.answers import Answer
from edaphon.sinks.sink import Later

__all__ = ["CONNECT_S", "READ_S", "Wire", "basic", "clear_words", "hide", "tls_trouble"]

CONNECT_S = 5.0
READ_S = 30.0


class Wire:
    """One server; `authorization` is the header's value and shows up in no text or error."""

    def __init__(
        self,
        url: str,
        authorization: str = "",
        ca_file: Path | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": authorization} if authorization else {}
        self._secrets = [authorization.partition(" ")[2], *secrets]
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca_file) if ca_file else None,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
            retries=False,
        )

    def post(
        self,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The server's answer of whatever status; Later when there is none."""
        url = f"{self.url}{path}?{urlencode(query)}" if query else f"{self.url}{path}"
        sent = {**self._headers, **(headers or {})}
        with clear_words(self.url):
            answer = self._pool.request("POST", url, body=body, headers=sent, redirect=False)
        lower = {name.lower(): value for name, value in answer.headers.items()}
        text = answer.data.decode("utf-8", "replace")
        return Answer(answer.status, lower, hide(text, self._secrets))

    def close(self) -> None:
        self._pool.clear()


@contextmanager
def clear_words(url: str) -> Iterator[None]:
    """Turn a failed connection into Later with words for a person; nothing of it is chained."""
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise _later(url, error) from None


def _later(url: str, error: urllib3.exceptions.HTTPError) -> Later:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return Later(f"{url} can't be reached: {_short(reason)}")
    if isinstance(reason, urllib3.exceptions.ConnectTimeoutError):
        return Later(f"{url} does not take a connection within {CONNECT_S:g} s")
    if isinstance(reason, urllib3.exceptions.ReadTimeoutError):
        return Later(f"{url} does not answer within {READ_S:g} s")
    if isinstance(reason, urllib3.exceptions.SSLError):
        return tls_trouble(url, str(reason))
    return Later(f"the connection to {url} broke: {_short(reason)}")


def tls_trouble(url: str, words: str) -> Later:
    """A certificate from the future means that this machine's clock is not set."""
    if "not yet valid" in words:
        return Later(f"the clock of this machine is not set: {url}'s certificate lies ahead of it")
    return Later(f"{url} can't prove who it is (TLS): {words[:200]}", blocked=True)


def _short(error: BaseException | str) -> str:
    return str(error).rpartition(": ")[2][:200] or type(error).__name__


def basic(username: str, password: str) -> str:
    """The value of an Authorization header, RFC 7617."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def hide(text: str, secrets: Sequence[str]) -> str:
    """The text without our own secrets, should a server or proxy repeat them."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
