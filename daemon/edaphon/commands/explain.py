"""`edaphon explain`: how one number was calculated, from the bytes to the value with its flag."""

from typing import Annotated

import typer

from edaphon.commands.options import Config, Folder, Json
from edaphon.explain import CannotExplain, NoObservation, lines_of
from edaphon.explain import explain as explained
from edaphon.explain.explanation import as_json
from edaphon.printer import show_found, show_json
from edaphon.storage.access import fail, moment_ns, open_folder


def explain(
    channel: Annotated[str, typer.Argument(help="id of a channel")],
    time: Annotated[
        str, typer.Argument(help="time of the measurement, such as 2026-04-01T12:00:00Z")
    ],
    file: Config = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Show how a value was calculated; it is derived again to check it.

    Exit 1: the result differs from the stored value, or there is no value at that time.
    """
    time_ns = moment_ns(time)
    storage = open_folder(file, folder)
    storage.expect_journal()
    series = storage.series()
    storage.warn_of_lost_facts()
    try:
        way = explained(storage.layout, series, channel, time_ns)
    except NoObservation as none:
        if not json:
            raise fail(str(none)) from None
        show_json({"value": None, "why": none.why})
        raise typer.Exit(1) from None
    except CannotExplain as error:
        raise fail(str(error)) from None
    show_found(json, as_json(way), lines_of(way))
    if not way.agrees:
        raise fail(way.again)
