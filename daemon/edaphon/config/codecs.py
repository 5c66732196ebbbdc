"""The text of a maker's codec, which the journal keeps: only a file that is one is taken."""

import re
from errno import EINVAL
from pathlib import Path

from edaphon.toml_input.lines import read_text

__all__ = ["read_codec"]

LARGEST_BYTES = 4 << 20
_FUNCTIONS = ("decodeUplink", "Decode", "Decoder")
_NAMED = re.compile(rf"\b(?:{'|'.join(_FUNCTIONS)})\b")


def read_codec(path: Path, errors: str = "strict") -> str:
    """OSError for what is no codec: neither the journal nor an error text repeats such a file."""
    text = read_text(path, errors=errors, within=path.parent, most_bytes=LARGEST_BYTES)
    if not _NAMED.search(text):
        raise OSError(EINVAL, f"no codec: it has none of {', '.join(_FUNCTIONS)}", str(path))
    return text
