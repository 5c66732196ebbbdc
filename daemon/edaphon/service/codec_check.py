"""Makers' codecs under `edaphon check`: each file is loaded once, in a process of its own."""

import time
from collections.abc import Iterator

from edaphon.config import Configuration, LorawanSource
from edaphon.config.reading import read_codec
from edaphon.toml_input import ConfigError, Document
from edaphon_drivers.faults import Fault

__all__ = ["codec_complaints"]

ALL_S = 10.0  # for all codecs of a configuration; those left are loaded by the service


def codec_complaints(
    document: Document, config: Configuration, all_s: float = ALL_S
) -> tuple[list[ConfigError], list[ConfigError]]:
    """About codecs that can't be loaded, and about those for which there was no time."""
    wrong: list[ConfigError] = []
    untried: list[ConfigError] = []
    end_s, tried = time.monotonic() + all_s, set()
    for number, source in _sources_with_codec(config):
        if source.codec_file in tried:
            continue
        tried.add(source.codec_file)
        line = document.line(("source", number, "codec_file"))
        if time.monotonic() > end_s:
            came = f'"{source.codec_file}" was not tried, since others took {all_s:g} s'
            right = "fewer codecs at once, or wait for its first uplink"
            untried.append(ConfigError(document.file, line, "source.codec_file", came, right))
        elif (why := _why_not(source)) is not None:
            came = f'"{source.codec_file}" can\'t be used: {why}'
            right = "the file as its maker publishes it"
            wrong.append(ConfigError(document.file, line, "source.codec_file", came, right))
    return wrong, untried


def _sources_with_codec(config: Configuration) -> Iterator[tuple[int, LorawanSource]]:
    for number, source in enumerate(config.sources):
        if isinstance(source, LorawanSource) and source.codec_file is not None:
            yield number, source


def _why_not(source: LorawanSource) -> str | None:
    from edaphon_drivers.codec_process import engine_folder
    from edaphon_drivers.javascript import Codec

    if engine_folder() is None or source.codec_file is None:
        return None  # the lack of the engine is one line of its own
    try:
        text = read_codec(source.codec_file)
    except (OSError, UnicodeDecodeError):
        return None  # which is a mistake of every file that a configuration names
    try:
        Codec(text, str(source.codec_file)).load()
    except Fault as fault:
        return str(fault)
    return None
