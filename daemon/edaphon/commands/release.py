"""`edaphon release`: current values frozen under a name that is cited; or all such, verified."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from edaphon.clock import FAR_NS
from edaphon.commands.options import Channels, Config, End, Folder, Json, Start, Who
from edaphon.commands.query import instant
from edaphon.people import account_name
from edaphon.printer import show_found, show_json, show_text
from edaphon.series import Release
from edaphon.service.releases import FoundRelease, Wanted, found_releases, make_release
from edaphon.storage.access import fail, open_folder


def release(
    name: Annotated[str, typer.Argument(help="name of a new release; none: a table of all")] = "",
    channel: Channels = None,
    start: Start = "",
    end: End = "",
    note: Annotated[str, typer.Option(help="what it is for")] = "",
    who: Who = "",
    file: Config = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Freeze current values in a file that is never changed; without a name verify all such files.

    Exit 1 if one of them is not what was released.
    """
    storage = open_folder(file, folder, as_owner=True)
    if name:
        span = instant(start, -FAR_NS), instant(end, FAR_NS)
        wanted = Wanted(name, tuple(channel or ()), *span, note, who or account_name())
        made = make_release(storage, wanted)
        if json:
            show_json(_table(made), indent=False)
        else:
            show_text(_summary(made))
        return
    found = list(found_releases(storage))
    show_found(json, list(map(_row, found)), _lines(found))
    if any(each.problems for each in found):
        raise fail("expected what was released, got other files; take them from a copy")


def _table(about: Release) -> dict[str, Any]:
    table = {name: getattr(about, name) for name in Release.__slots__}
    return {**table, "channels": [channel.id for channel in about.channels]}


def _row(found: FoundRelease) -> dict[str, Any]:
    about = _table(found.about) if found.about is not None else {}
    return {**about, "name": found.name, "problems": found.problems}


def _summary(made: Release) -> str:
    return (
        f"{made.name}: {made.rows} values of {len(made.channels)} channels, as known at"
        f" {made.known_sequence} ({made.known_time})\ndigest {made.digest}"
    )


def _lines(found: list[FoundRelease]) -> Iterator[str]:
    if not found:
        yield "no releases yet; `edaphon release NAME` makes one"
        return
    width = max(7, *(len(each.name) for each in found))
    yield f"{'release':<{width}}  {'made':<20}  {'rows':>9}  {'digest':<64}  note"
    for name, about, problems in found:
        if about is not None:
            yield (
                f"{name:<{width}}  {about.made:<20}  {about.rows:>9}  {about.digest}  {about.note}"
            )
        for problem in problems:
            yield f"{name:<{width}}  ALTERED: {problem}"
