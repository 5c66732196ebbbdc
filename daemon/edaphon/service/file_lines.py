"""The lines of followed files in sentences: what they were, which were refused, and why."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edaphon.clock import DAY_NS
from edaphon.derive.files import KeptRefusal, SourceFiles

__all__ = [
    "REFUSED_IS_A_PROBLEM_NS",
    "account_text",
    "line_rows",
    "refusal_problems",
    "refusal_text",
]

# A person has a week to look at a line that was refused; then it is a count among others.
REFUSED_IS_A_PROBLEM_NS = 7 * DAY_NS

Row = Mapping[str, Any]


def line_rows(files: Mapping[str, SourceFiles]) -> list[dict[str, Any]]:
    """One for each file, that which grew last behind the others of its source."""
    return [
        {
            "source": path,
            "file": name,
            "copy": account.copy,
            "lines": account.lines,
            **account.counts._asdict(),
            "missing": account.missing,
            "latest_refused": [refusal._asdict() for refusal in account.refused],
        }
        for path, source in sorted(files.items())
        for name, account in source.accounts()
    ]


def account_text(row: Row) -> str:
    """The account of one file, with its last refused line."""
    text = (
        f"{row['source']} {row['file']}: {row['lines']} lines = {row['rows']} rows"
        f" + {row['headers']} headers + {row['blank']} blank + {row['refused']} refused"
    )
    if row["missing"]:
        text += f"; {row['missing']} lines are missing in the journal"
    return "; ".join([text, *map(refusal_text, row["latest_refused"][-1:])])


def refusal_text(refusal: Row) -> str:
    """Where, why, and what stands there."""
    text = KeptRefusal(**refusal).text
    return f"line {refusal['line']}: {refusal['reason']}: {text!r}"


def refusal_problems(rows: Iterable[Row], now_ns: int) -> Iterator[str]:
    """Files with a line that was refused lately."""
    for row in rows:
        latest = [
            refusal
            for refusal in row["latest_refused"]
            if now_ns - refusal["received_ns"] < REFUSED_IS_A_PROBLEM_NS
        ]
        if latest:
            n = row["refused"]
            lines = "1 line" if n == 1 else f"{n} lines"
            yield f"{row['source']} {row['file']}: {lines} refused; {refusal_text(latest[-1])}"
