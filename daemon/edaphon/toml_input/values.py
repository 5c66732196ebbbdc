"""Texts that become typed values: duration, identifier, secret, instant, depth label."""

import os
import re
from errno import EFBIG
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from edaphon.clock import INSTANT, instant_text, written_ns
from edaphon.errors import TimeError
from edaphon.toml_input.lines import written_instant
from edaphon_drivers.outside import open_descriptor

_UNITS_NS: Final = {
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
_DURATION: Final = re.compile(r"(\d{1,9})\s*(ms|s|min|h|d)", re.ASCII)
_LONGEST_NS: Final = 36_525 * 86_400 * 10**9  # a century
_LATEST_NS: Final = 291 * 31_556_952 * 10**9  # 64 bits hold 292 years before and after 1970
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_DEPTH: Final = re.compile(r"-?\d{1,4}(\.\d{1,3})?", re.ASCII)
_ELSEWHERE: Final = re.compile(
    r"(^|/)\.{0,2}(/|$)|[\\:\x00-\x1f\x7f]"
)  # a part that climbs or is empty
_VARIABLE: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
SECRET_PLACE: Final = 'only its place: { env = "NAME" } or { file = "/PATH" }'  # noqa: S105


class Table(BaseModel):
    """A table of a file: frozen, and no key beyond those that are described."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


def wrong(right: str) -> PydanticCustomError:
    """The error of a validator that knows what would be right."""
    return PydanticCustomError("wrong", "{right}", {"right": right})


def duration_ns(text: object) -> int:
    """`"10min"`, `"30 s"`, `"1h"` -> ns."""
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found or int(found[1]) == 0:
        raise wrong('a duration in quotes with its unit ms, s, min, h or d, such as "10min"')
    ns = int(found[1]) * _UNITS_NS[found[2]]
    if ns > _LONGEST_NS:
        raise wrong("a duration of at most 36525d, a hundred years")
    return ns


def duration_text(ns: int) -> str:
    """The shortest text of a duration; of one of whole milliseconds the inverse of duration_ns."""
    units = {**_UNITS_NS, "us": 10**3, "ns": 1}
    exact = [unit for unit in ("d", "h", "min", "s", "ms", "us", "ns") if ns % units[unit] == 0]
    return f"{ns // units[exact[0]]}{exact[0]}"


def about_text(ns: int) -> str:
    """A duration as it was measured, to three digits: "10min", "about 20.2min"."""
    fitting = [unit for unit in ("d", "h", "min", "s", "ms") if abs(ns) >= _UNITS_NS[unit]]
    unit = fitting[0] if fitting else "ms"
    number = ns / _UNITS_NS[unit]
    text = f"{number:.3g}" if abs(number) < 999.5 else f"{number:.0f}"
    exact = float(text) * _UNITS_NS[unit] == ns
    return f"{'' if exact else 'about '}{text}{unit}"


def _identifier(text: object) -> str:
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise wrong("text in quotes of letters a to z, digits and . _ : - (at most 64, no spaces)")
    return text


def instant_ns(value: object) -> int:
    """An offset date-time, or its RFC 3339 text, as UTC ns."""
    if isinstance(value, str) and "." in value[:3] and (meant := written_instant(value)):
        raise wrong(f"write {meant}")
    try:
        return written_ns(value)
    except TimeError as error:
        raise wrong(str(error)) from None


def _near_ns(value: object) -> int:
    """An instant that 64 bits hold."""
    ns = instant_ns(value)
    if not -_LATEST_NS < ns < _LATEST_NS:
        raise wrong("a time from 1680 to 2260; without a beginning or end leave the key out")
    return ns


def depth_label(value: object) -> str:
    """One canonical spelling of a nominal depth [cm, positive down]: `5`, `7.5`, `-2`."""
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if not _DEPTH.fullmatch(text):
        raise wrong("a depth in cm, positive down, such as 5 or 7.5")
    return f"{float(text) + 0.0:.7g}"


def _relative_file(text: object) -> str:
    """A relative path that stays below the folder it starts from."""
    if not isinstance(text, str) or len(text) > 255 or _ELSEWHERE.search(text):
        raise wrong("a file in the same folder or below it, such as certificates/PTB-2026-0815.pdf")
    return text


def is_hash(text: str) -> bool:
    """False for the "?" in place of a hash that is still to be written."""
    return bool(_HASH.fullmatch(text))


def _hash(text: object) -> str:
    if not isinstance(text, str) or not (is_hash(text) or text in {"?", ""}):
        raise wrong('the SHA-256 of the file in 64 small digits 0-9 a-f, or "?" to get it shown')
    return text


def absolute_path(value: object) -> Path:
    if not isinstance(value, str | Path) or not Path(value).is_absolute():
        raise wrong('an absolute path in quotes, such as "/var/lib/edaphon"')
    if ".." in Path(value).parts or "\0" in str(value):
        raise wrong('a path without "..", such as "/var/lib/edaphon"')
    return Path(value)


def _text(pattern: str, **more: Any) -> WithJsonSchema:
    """The JSON schema of a text, for editors."""
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", **more})


Duration = Annotated[
    int,
    BeforeValidator(duration_ns),
    PlainSerializer(duration_text, return_type=str),
    _text(rf"\s*{_DURATION.pattern}\s*"),
]
Id = Annotated[str, BeforeValidator(_identifier), _text(_ID.pattern)]
Instant = Annotated[
    int,
    BeforeValidator(_near_ns),
    PlainSerializer(instant_text, return_type=str),
    _text(INSTANT.pattern),
]
Depth = Annotated[
    str, BeforeValidator(depth_label), _text(_DEPTH.pattern, type=["number", "string"])
]
RelativeFile = Annotated[
    str,
    BeforeValidator(_relative_file),
    WithJsonSchema({"type": "string", "maxLength": 255, "not": {"pattern": _ELSEWHERE.pattern}}),
]
Hash = Annotated[str, BeforeValidator(_hash), _text(_HASH.pattern)]
AbsolutePath = Annotated[Path, BeforeValidator(absolute_path)]


class Secret(Table):
    """Where a secret is kept; its text is in no file of the configuration."""

    env: str | None = Field(
        default=None, pattern=_VARIABLE.pattern, description="name of an environment variable"
    )
    file: AbsolutePath | None = Field(
        default=None, description="absolute path of a file that others can't read"
    )

    @model_validator(mode="before")
    @classmethod
    def _no_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise wrong(SECRET_PLACE)
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> "Secret":
        if (self.env is None) == (self.file is None):
            raise wrong('exactly one of { env = "NAME" } and { file = "/PATH" }')
        return self

    @property
    def variable(self) -> str:
        """The environment variable; one in small letters may be the secret itself, by mistake."""
        name = self.env or ""
        return f"environment variable {name}" if name.isupper() else "the environment variable"

    def _path(self) -> Path:
        if self.file is None:
            raise LookupError("a secret without a place")
        return self.file

    def reveal(self) -> str:
        """The secret itself, read now; raises OSError or LookupError. Never log what it returns."""
        if self.env is not None:
            return os.environ[self.env]
        return read_secret(self._path())[0]

    def problem(self) -> str:
        """Why the secret can't be had, "" when it can."""
        if self.env is not None:
            return "" if os.environ.get(self.env) else f"{self.variable} is not set"
        return _file_problem(self._path())


def _file_problem(path: Path) -> str:
    try:
        text, open_to_others = read_secret(path)
    except (OSError, UnicodeDecodeError) as error:
        return f"{path} can't be read ({getattr(error, 'strerror', None) or 'not UTF-8'})"
    if not text.strip():
        return f"{path} is empty"
    return f"{path} is open to others: chmod 640 {path}" if open_to_others else ""


def _secret_or_text(value: object) -> "Secret | str":
    if isinstance(value, Secret | str):
        return value
    try:
        return Secret.model_validate(value)
    except ValidationError:
        raise wrong('text, or for a secret { env = "NAME" } or { file = "/PATH" }') from None


SecretOrText = Annotated[Secret | str, PlainValidator(_secret_or_text)]


def revealed(value: Secret | str) -> str:
    """The text itself; raises OSError, LookupError or UnicodeDecodeError as Secret.reveal does."""
    return value.reveal() if isinstance(value, Secret) else value


def secret_host(url: Secret) -> str:
    """The host of a secret address that goes over http unencrypted, "" for any other."""
    try:
        parts = urlsplit(url.reveal().strip())
        return parts.hostname or "" if parts.scheme == "http" else ""
    except (OSError, LookupError, ValueError):
        return ""


def http_place(url: str) -> str:
    """An address of http or https without user and password, which would be a secret."""
    try:
        parts = urlsplit(url)
        port_known = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong("an address such as https://alerts.example.org/plots") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_known:
        raise wrong("an address such as https://alerts.example.org/plots")
    if parts.username or parts.password:
        raise wrong("an address without user and password")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise wrong("an address of ASCII characters without spaces; write others as %XX")
    return url


LARGEST_BYTES = 16 << 20  # of what people write; a file of facts of ten years has some 100 kB
LARGEST_SECRET_BYTES = 64 << 10


def read_bytes(
    path: Path, most_bytes: int = LARGEST_BYTES, within: str | Path | None = None
) -> bytes:
    """Raises OSError for what is no file, and for a link that leaves the folder `within`."""
    descriptor = open_descriptor(path, within)
    try:
        return _all(descriptor, path, most_bytes)
    finally:
        os.close(descriptor)


def read_secret(path: Path) -> tuple[str, bool]:
    """The text, and whether others can read it; a link that leaves its folder is refused."""
    descriptor = open_descriptor(path, path.parent)
    try:
        text = _all(descriptor, path, LARGEST_SECRET_BYTES).decode()
        return text.rstrip("\r\n"), bool(os.fstat(descriptor).st_mode & 0o007)
    finally:
        os.close(descriptor)


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8; bytes that are not come as lone surrogates."""
    return name.isprintable() or not any("\ud800" <= c <= "\udfff" for c in name)


def read_text(
    path: Path,
    encoding: str = "utf-8",
    errors: str = "strict",
    within: str | Path | None = None,
    most_bytes: int = LARGEST_BYTES,
) -> str:
    """As `read_bytes`; raises UnicodeDecodeError for another encoding."""
    text = read_bytes(path, most_bytes, within).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _all(descriptor: int, path: Path, most_bytes: int) -> bytes:
    too_large = OSError(EFBIG, f"larger than {_size(most_bytes)}", str(path))
    if os.fstat(descriptor).st_size > most_bytes:
        raise too_large
    parts: list[bytes] = []
    length = 0
    while length <= most_bytes:
        try:
            part = os.read(descriptor, 1 << 20)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        if not part:
            return b"".join(parts)
        parts.append(part)
        length += len(part)
    raise too_large


def _size(n_bytes: int) -> str:
    return f"{n_bytes >> 20} MB" if n_bytes >> 20 else f"{n_bytes >> 10} kB"
