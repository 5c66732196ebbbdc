"""The proof of what a start reads instead of counting: kept sums against a count of every row."""

from pathlib import Path
from typing import Any

from edaphon.journal import JournalReader, StateFile
from edaphon.journal.entry import file_path
from edaphon.journal.fact_log import FACT_LOG_KINDS
from edaphon.journal.summary import Summary, differing
from edaphon.series import Series

__all__ = ["JOURNAL_SUMMARY", "summaries"]

JOURNAL_SUMMARY = "journal summary"  # in the state file


def summaries(folder: Path, journal: JournalReader, series: Series) -> dict[str, Any]:
    """Files of the journal and channels whose kept sums are not what is counted.

    A summary that was never kept, or does not belong to this journal, is made at the next start.
    """
    with StateFile(folder) as state:
        kept = Summary.of_json(state.get(JOURNAL_SUMMARY), journal)
    files = differing(kept, journal, FACT_LOG_KINDS) if kept is not None else []
    known, counted = series.totals()
    channels = [c for c in sorted({*known, *counted}) if known.get(c) != counted.get(c)]
    names = [file_path(journal.folder, file).name for file in files]
    return {"journal": names, "series": channels, "closes": not names and not channels}
