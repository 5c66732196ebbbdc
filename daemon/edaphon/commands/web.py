"""`edaphon web`: the read-only page, in a process of its own that needs no access to the data."""

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from edaphon.commands.options import CONFIGURATION, ConfigFile
from edaphon.config import StorageTable, Web
from edaphon.printer import show_line
from edaphon.service.check import read_documents, usual_file
from edaphon.service.socket import page_socket
from edaphon.storage.access import fail
from edaphon.storage.client import ask
from edaphon.toml_input.lines import Document
from edaphon.toml_input.models import validated

_Kind = TypeVar("_Kind", Web, StorageTable)


class _Tables(NamedTuple):
    web: Web
    storage: StorageTable


def web(file: ConfigFile = None) -> None:
    """Serve the page of this plot at the address given in [web]."""
    from edaphon.web import ControlView, serve

    file = file or usual_file()
    tables = _tables(file)
    socket = page_socket(file, tables.storage.folder)

    def request(words: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = ask(socket, words)
        return result

    where = tables.web
    show_line(f"http://{where.listen}/")
    serve(ControlView(request), where.host, where.port)


def _tables(file: Path) -> _Tables:
    """Those two of the configuration: the page reads nothing else, a secret least of all."""
    documents, config_errors = read_documents([file])
    if config_errors or not documents:
        words = "\n".join(map(str, config_errors)) or f"expected a configuration, got {file}"
        raise fail(words, CONFIGURATION)
    document = documents[0]
    return _Tables(_table(document, "web", Web), _table(document, "storage", StorageTable))


def _table(document: Document, name: str, kind: type[_Kind]) -> _Kind:
    """Ends with the words of `edaphon check` where it is wrong."""
    found, config_errors = validated(document, (name,), kind, document.table.get(name, {}))
    if found is None:
        words = map(str, document.config_errors or config_errors)
        raise fail("\n".join(words), CONFIGURATION)
    whole: _Kind = found
    return whole
