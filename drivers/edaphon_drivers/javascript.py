"""A maker's JavaScript codec in a closed QuickJS: an uplink's bytes in, the JSON of its answer out.

The file comes from the owner's configuration; it is never fetched. Nothing of the machine is
within its reach: no files, no network, no modules, no clock but the uplink's own time of receipt.
It runs in a process of its own, which is killed when it exceeds a limit. Everything that would make
one uplink's numbers differ between two derivations is gone or fixed: the clock, the time zone,
chance, threads, garbage collection.
"""

import reprlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import orjson

from edaphon_drivers import codec_child
from edaphon_drivers.codec_process import Overrun, Script, Stopped, engine_folder, pool
from edaphon_drivers.faults import Garbled, Refused
from edaphon_drivers.message_values import JsonFields, decode_object
from edaphon_drivers.readings import Reading

LONGEST_ANSWER = 65536

_TEXT = (files("edaphon_drivers") / "codec_frame.js").read_text("utf-8")
FRAME = _TEXT.replace("__LONGEST__", str(LONGEST_ANSWER))


INSTALL = "./run install --codecs"  # in the folder of edaphon
LONGEST_TEXT = 1 << 20
MOST_WORDS = 200  # characters of what a codec says, in an error
_STACK_BYTES = 256 * 1024
_ONLY_LOAD = -1
_MIB = 1 << 20


class Codec:
    """The functions of one file; each uplink sees it as if it had just been loaded.

    Forms: `decodeUplink({bytes, fPort, recvTime, variables})` of The Things Stack and ChirpStack
    v4, else `Decode(fPort, bytes, variables)` of ChirpStack v3, else `Decoder(bytes, port)` of The
    Things Network v2 and Helium. Raises Refused for a text that is none. May be used by any thread.
    """

    def __init__(
        self, text: str, name: str, time_limit_s: float = 0.25, memory_limit_bytes: int = 16 * _MIB
    ) -> None:
        self.name = name
        text = _checked_text(text, name)
        self._script = Script(FRAME, text, time_limit_s, memory_limit_bytes, _STACK_BYTES)
        self._engine = ""
        self._loaded = False
        self._refusal: Refused | None = None

    def load(self) -> None:
        """Raises Refused for a file that can't be loaded or has no form, and without QuickJS.

        It runs once: the same text is refused for the same reason. Raises Garbled, and may be
        asked again, where its process ended otherwise.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._loaded:
            return
        try:
            self._engine = self._engine or _engine(self.name)
            self._run(b"", _ONLY_LOAD, None)
        except Refused as refused:
            self._refusal = refused
            raise
        self._loaded = True

    def decode(self, data: bytes, f_port: int, received_ns: int | None = None) -> Mapping[str, Any]:
        """What the codec makes of an uplink: its `data`, numbers that are not finite as None.

        `received_ns` [UTC ns] is the codec's only clock; without it a time is not a number there.
        Raises Garbled with the codec's own words when it reports errors, throws, exceeds a limit
        or returns no object; Refused as `load` does.
        """
        self.load()
        made = self._run(data, f_port, received_ns).get("data")
        if not isinstance(made, dict):
            raise Garbled("an object as the codec's data", _short(made), self.name)
        return made

    def _run(self, data: bytes, f_port: int, received_ns: int | None) -> Mapping[str, Any]:
        loading = f_port == _ONLY_LOAD
        # An int would be cut to 32 bits on its way in.
        now_ms = float("nan") if received_ns is None else float(received_ns // 1_000_000)
        try:
            answer = pool.call(self._engine, self._script, data, f_port, now_ms)
        except Overrun:
            raise self._too_long(loading) from None
        except Stopped as stopped:
            raise Garbled("a codec that runs to its end", stopped.why, self.name) from None
        if answer.kind != codec_child.ANSWERED:
            raise self._stopped(answer.text or "out of memory", loading)
        table = self._parsed(answer.text)
        self._expect_data(table, loading)
        return table

    def _parsed(self, text: str) -> Mapping[str, Any]:
        """The table of an answer, whatever the codec made of the JSON around it."""
        if len(text) > LONGEST_ANSWER:
            raise self._too_long_answer()
        try:
            table = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Garbled("JSON in UTF-8 from the codec", text[:80], self.name) from None
        if not isinstance(table, dict):
            raise Garbled("an object from the codec", _short(table), self.name)
        return table

    def _expect_data(self, answer: Mapping[str, Any], loading: bool) -> None:
        kind = Refused if loading else Garbled
        if "errors" in answer:
            raise Garbled("an uplink that its codec accepts", _short(answer["errors"]), self.name)
        if answer.get("fault") == "no function":
            raise Refused("decodeUplink, Decode or Decoder in a codec", self.name, self.name)
        if answer.get("fault") == "too long":
            raise self._too_long_answer()
        if "fault" in answer:
            raise Garbled("an object from the codec", _short(answer["fault"]), self.name)
        if "threw" in answer:
            words = answer["threw"] or "out of memory"
            raise kind("a codec that runs to its end", _short(words), self.name)

    def _too_long_answer(self) -> Garbled:
        return Garbled(f"at most {LONGEST_ANSWER} characters of JSON", "more", self.name)

    def _stopped(self, words: str, loading: bool) -> Garbled | Refused:
        kind = Refused if loading else Garbled
        if "interrupted" in words:
            return self._too_long(loading)
        if "call stack" in words:
            return kind("a codec that doesn't recurse without end", "one that does", self.name)
        mib = self._script.memory_bytes / _MIB
        return kind(f"a codec that needs less than {mib:g} MiB", words.strip(), self.name)

    def _too_long(self, loading: bool) -> Garbled | Refused:
        kind = Refused if loading else Garbled
        return kind(f"an answer within {self._script.cpu_s} s of CPU", "none", self.name)


def decode_with(
    codec: Codec, data: bytes, f_port: int, fields: JsonFields, received_ns: int | None = None
) -> tuple[Reading, ...]:
    """The readings of an uplink: the owner's paths into what a maker's codec made of its bytes.

    Their origin is `reported`, as of plain JSON: they were made here, from bytes that are kept.
    """
    return decode_object(codec.decode(data, f_port, received_ns), fields)


def _short(value: object) -> str:
    """What a codec gave, for a person: a text, or any other value as Python shows it."""
    text = value if isinstance(value, str) else reprlib.repr(value)
    return text[:MOST_WORDS]


def _checked_text(text: str, name: str) -> str:
    text = text.removeprefix("\ufeff")
    if len(text) > LONGEST_TEXT:
        raise Refused(f"a codec of at most {LONGEST_TEXT} characters", str(len(text)), name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused("a codec in UTF-8", "other characters", name) from None
    if "\0" in text:
        raise Refused("a codec of text", "a NUL character", name)
    return text


def _engine(name: str) -> str:
    """The engine's folder; raises Refused with the line to type where it is not installed."""
    folder = engine_folder()
    if folder is None:
        raise Refused(f"QuickJS for a JavaScript codec: {INSTALL}", "no module quickjs", name)
    return folder
