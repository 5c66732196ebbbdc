"""From the text of edaphon.toml to a configuration, or to every complaint about it at once."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from errno import EINVAL
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edaphon.config.model import Configuration
from edaphon.config.rules import Parts, rule_errors
from edaphon.config.sources import outputs_of
from edaphon.toml_input import models
from edaphon.toml_input.lines import FACT_TABLES, ConfigError, Document, Place, did_you_mean
from edaphon.toml_input.values import Secret, read_text
from edaphon_drivers.outside import SYSFS, read_certificates, switch_error
from edaphon_drivers.sheets import Output, UnknownModel

LARGEST_BYTES = 4 << 20
_FUNCTIONS = ("decodeUplink", "Decode", "Decoder")
_NAMED = re.compile(rf"\b(?:{'|'.join(_FUNCTIONS)})\b")


def read_codec(path: Path, errors: str = "strict") -> str:
    """OSError for what is no codec: neither the journal nor an error text repeats such a file."""
    text = read_text(path, errors=errors, within=path.parent, most_bytes=LARGEST_BYTES)
    if not _NAMED.search(text):
        raise OSError(EINVAL, f"no codec: it has none of {', '.join(_FUNCTIONS)}", str(path))
    return text


class Draft(NamedTuple):
    """What could be read: all good parts, and `config` only if there is no complaint."""

    config: Configuration | None
    parts: Parts
    config_errors: tuple[ConfigError, ...]

    def outputs(self) -> dict[str, Mapping[str, Output]]:
        """Source path -> its outputs by name, of all sources whose model is known."""
        known = {}
        for source in self.parts.sources.values():
            with suppress(UnknownModel):
                known[source.path] = outputs_of(source, self.parts.sheets)
        return known


def read_config(document: Document) -> tuple[Configuration | None, list[ConfigError]]:
    """The configuration, None if there is any complaint; by its text alone, fact tables apart."""
    draft = read_draft(document)
    return draft.config, list(draft.config_errors)


def accepted_config(document: Document) -> Configuration | None:
    """The configuration of a text that passed the rules when it was journalled.

    Rules ask the engines of all sources, so they are not applied again. None for a text with
    tables or keys that this version does not know; raises ValueError for tables that do not fit.
    """
    if document.config_errors or not document.readable:
        return None
    tables, found = _tables(document)
    return None if found else _configuration(tables)


def read_draft(document: Document) -> Draft:
    """Like `read_config`; a part that is wrong does not keep the others from being read."""
    if not document.readable:
        return Draft(None, Parts(), document.config_errors)
    tables, found = _tables(document)
    parts = Parts.of(tables)
    config_errors = [
        _of_what_talks(document, parts, config_error)
        for config_error in [*document.config_errors, *found]
    ]
    config_errors += rule_errors(document, parts)
    if config_errors:
        return Draft(None, parts, tuple(sorted(_without_echoes(document, config_errors))))
    return Draft(_configuration(tables), parts, ())


def _tables(document: Document) -> tuple[dict[str, Any], list[ConfigError]]:
    config_errors = [*islice(_unknown_tables(document), models.MOST_ERRORS)]
    tables: dict[str, Any] = {}
    for info in Configuration.model_fields.values():
        tables[_key(info)], found = _section(document, info)
        config_errors += found
    return tables, config_errors


def _configuration(tables: Mapping[str, Any]) -> Configuration:
    rows = {key: _listed(part) for key, part in tables.items() if part is not None}
    return Configuration.model_validate(rows)


def file_errors(document: Document, parts: Parts) -> list[ConfigError]:
    """About files, folders and secrets that the configuration names and this machine lacks."""
    found: list[ConfigError] = []
    inbox = parts.facts.inbox if parts.facts else None
    if inbox is not None and not inbox.is_dir():
        found.append(_lacking(document, ("facts", "inbox"), inbox, "make it, or name another"))
    for name, broker in parts.brokers.items():
        found += things_lacking(document, ("broker", name), broker)
    for number, source in parts.sources.items():
        found += things_lacking(document, ("source", number), source)
    found += _switches(document, parts)
    if parts.alerts is not None:
        found += things_lacking(document, ("alerts",), parts.alerts)
    return found


def things_lacking(document: Document, place: Place, table: BaseModel) -> list[ConfigError]:
    """About the secrets and the files (keys that end in _file) of one table."""
    found: list[ConfigError] = []
    for inside, value in named_values(place, table):
        key = inside[-1]
        if isinstance(value, Secret) and (problem := value.problem()):
            right = "a secret that this account can read"
            found.append(document.error(inside, problem, right))
        elif isinstance(value, Path) and str(key).endswith("_file"):
            found += _no_file(document, inside, value)
    return found


def _no_file(document: Document, place: Place, path: Path) -> Iterator[ConfigError]:
    """About a file that can't be read as what it is named for."""
    try:
        if place[-1] == "codec_file":
            read_codec(path)
        else:
            read_certificates(path)
    except FileNotFoundError:
        yield _lacking(document, place, path, "the path of a file that is there")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        came = f'"{path}" can\'t be read ({why})'
        yield document.error(place, came, "the file itself, which this account can read")


def _switches(document: Document, parts: Parts) -> Iterator[ConfigError]:
    """About files that would be written to and may not be; one that is not there may come later."""
    files: dict[Place, Path] = {("supply", n, "file"): s.file for n, s in parts.supplies.items()}
    for name, bus in parts.buses.items():
        if bus.multiplexer is not None:
            files["bus", name, "multiplexer", "file"] = bus.multiplexer.file
    for place, path in files.items():
        if os.path.exists(path) and (problem := switch_error(path)):
            came = f'"{path}" is {problem}'
            right = f"a device such as /dev/ttyUSB0, or a file in {SYSFS}: nothing else is written"
            yield document.error(place, came, right)


def named_values(place: Place, table: BaseModel) -> Iterator[tuple[Place, Any]]:
    """What the keys of a table hold, and those of the tables in it that have any names."""
    for key, value in table:
        yield (*place, key), value
        if isinstance(value, Mapping):
            yield from (((*place, key, name), inner) for name, inner in value.items())


def _lacking(document: Document, place: Place, path: object, right: str) -> ConfigError:
    return document.error(place, f'"{path}" is not there', right)


def _of_what_talks(document: Document, parts: Parts, config_error: ConfigError) -> ConfigError:
    """A source that sends by itself needs expect, not interval; its bus or sheet shows which."""
    if (config_error.key, config_error.came) != ("source.interval", "missing"):
        return config_error
    rows = document.table.get("source")
    for number, row in enumerate(rows if isinstance(rows, list) else ()):
        why = _talks(row, parts)
        if why and document.line(("source", number)) == config_error.line:
            right = f'expect = "10s", the usual time between two records: {why}'
            return config_error._replace(key="source.expect", right=right)
    return config_error


def _talks(row: Any, parts: Parts) -> str:
    """Why an instrument is not polled; "" for one that is."""
    if not isinstance(row, Mapping):
        return ""
    bus, model = (str(row.get(key, "")) for key in ("bus", "model"))
    if model in parts.sheets and parts.sheets[model].frame.get("heard"):
        return f"{model} sends by itself"
    if bus in parts.buses and parts.buses[bus].kind == "stream":
        return f'bus {bus} has kind = "stream"'
    return ""


def _key(info: FieldInfo) -> str:
    names = (name for name, own in Configuration.model_fields.items() if own is info)
    return info.alias or next(names)


def _listed(part: Any) -> Any:
    """Rows that were kept by their number in the file, as a list again."""
    if isinstance(part, Mapping) and all(isinstance(key, int) for key in part):
        return list(part.values())
    return part


def _section(document: Document, info: FieldInfo) -> tuple[Any, list[ConfigError]]:
    """One top-level table: its model; models by name; or models by number; and complaints."""
    key, written = _key(info), document.table.get(_key(info))
    origin = get_origin(info.annotation)
    if written is None:
        return _absent(document, info, key)
    if origin is None:
        return models.validated(document, (key,), info.annotation, written)
    kinds = get_args(info.annotation)
    if origin is tuple and isinstance(written, list):
        return _items(document, key, kinds[0], dict(enumerate(written)))
    if origin is not tuple and _is_table_of_tables(written):
        return _items(document, key, kinds[1], written)
    right = (
        f"use [[{key}]] (double brackets) for each {key}"
        if origin is tuple
        else f"[{key}.NAME] for each one"
    )
    return None, [document.error((key,), models.came_text(written), right)]


def _is_table_of_tables(written: Any) -> bool:
    return isinstance(written, dict) and all(isinstance(v, dict) for v in written.values())


def _items(
    document: Document, key: str, kind: Any, items: Mapping[Any, Any]
) -> tuple[dict[str | int, Any], list[ConfigError]]:
    good: dict[str | int, Any] = {}
    config_errors: list[ConfigError] = []
    for name, row in items.items():
        if len(config_errors) >= models.MOST_ERRORS:
            config_errors.append(models.not_looked_at(document, (key, name)))
            break
        found, wrong = models.validated(document, (key, name), kind, row)
        config_errors += wrong
        if found is not None:
            good[name] = found
    return good, config_errors


def _absent(document: Document, info: FieldInfo, key: str) -> tuple[Any, list[ConfigError]]:
    if not info.is_required():
        return None, []
    model: Any = info.annotation
    needed = ", ".join(
        f"{name} = {models.toml_text(models.key_text(model, name).examples[0])}"
        for name, field in model.model_fields.items()
        if field.is_required()
    )
    stated = models.key_text(Configuration, key).stated
    right = f"{stated}, such as, at the top of the file: {key} = {{ {needed} }}"
    return None, [document.error((key,), "missing", right)]


def _unknown_tables(document: Document) -> Iterator[ConfigError]:
    known = {*models.keys_of(Configuration), *FACT_TABLES}
    for key in document.table:
        if key not in known:
            yield document.error((key,), "unknown table", did_you_mean(key, known))


def _without_echoes(document: Document, config_errors: list[ConfigError]) -> set[ConfigError]:
    """Without what only follows from a value that was already complained of as no TOML."""
    syntax = set(document.config_errors)
    return {c for c in config_errors if c in syntax or c.line not in document.repaired}
