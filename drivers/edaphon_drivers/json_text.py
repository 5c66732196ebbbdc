"""The bytes of a JSON message, freed of what senders put around it."""

_BOM = b"\xef\xbb\xbf"


def bare_json(data: bytes) -> bytes:
    """Without a byte order mark before it, and without NUL bytes and blanks behind it.

    RFC 8259 (8.1) lets a reader ignore the mark; firmware in C often sends the NUL that ends its
    text. JSON in UTF-16 stays unreadable; of a key that stands twice the last one counts.
    """
    return data.removeprefix(_BOM).rstrip(b"\0 \t\r\n")
