"""What came above the budgets, for people: which source, how much, and what to do."""

from collections.abc import Iterator, Mapping
from typing import Any

from edaphon.acquire.budget import Flood
from edaphon.service.file_lines import REFUSED_IS_A_PROBLEM_NS
from edaphon.toml_input.values import instant_text

__all__ = ["flood_problems", "flood_rows", "flood_text"]


def flood_rows(floods: Mapping[str, Flood]) -> list[dict[str, Any]]:
    """One for each source, or broker for messages of no source."""
    return [{"source": source, **flood._asdict()} for source, flood in sorted(floods.items())]


def flood_text(row: Mapping[str, Any]) -> str:
    """For `edaphon status`."""
    again = f", {row['again']} of them came again" if row["again"] else ""
    return (
        f"not kept, above the budget of {row['source']}: {row['n']} items, {row['size']} bytes"
        f"{again}, from {instant_text(row['first_ns'])} to {instant_text(row['last_ns'])}"
    )


def flood_problems(
    floods: Mapping[str, Flood], brokers: Mapping[str, Any], now_ns: int
) -> Iterator[tuple[str, str]]:
    """(source or broker, words) of what came above a budget, while it lasts and for a week."""
    for row in flood_rows(floods):
        if now_ns - row["last_ns"] < REFUSED_IS_A_PROBLEM_NS:
            name = row["source"]
            if name in brokers:
                do = (
                    "no [[source]] names their topics or devices: name fewer topics in [broker],"
                    " or find out who publishes there"
                )
            else:
                do = (
                    "see what is wrong with the instrument, or who sends in its name; if all of it"
                    " is data, set source_mb_per_day in [budget]"
                )
            yield name, f"{flood_text(row)}; {do}"
