"""Bytes that were possibly not read: a problem for a week, a count for ever, over restarts."""

import pytest
from tests.daemon.acquire.followed_files import HEAD, row

from edaphon.acquire.file_state import KnownFiles
from edaphon.service.notes import REFUSED_IS_A_PROBLEM_NS, file_notes, loss_problems


def lose(plot, name, n=1):
    """A file leaves while the service is off, and another one stands there."""
    plot.write(name, HEAD + row(n) + b"2026-03-02")
    plot.look()
    plot.save()
    plot.stop()
    (plot.folder / "data" / name).unlink()
    plot.start()
    plot.write(name, HEAD + row(n + 50))
    plot.look()


def problems(plot, after_ns=0):
    now_ns = plot.keeper.now_ns() + after_ns
    return list(loss_problems({"file/x": plot.follower}, now_ns, 3600))


def counts(plot):
    notes = [one["words"] for one in file_notes({"file/x": plot.follower}, 3600)]
    return [words for words in notes if "possible loss" in words]


def test_a_possible_loss_is_a_problem_for_a_week_and_a_count_for_ever(plot):
    lose(plot, "a.csv")
    (problem,) = problems(plot)
    assert problem.startswith(f"file/x: {plot.folder}/data/a.csv: what stood there behind byte ")
    assert "at least 10 bytes" in problem
    assert "copy it to where this source reads its files" in problem
    (count,) = counts(plot)
    assert count.startswith("1 possible loss, the latest: ")
    assert problems(plot, REFUSED_IS_A_PROBLEM_NS) == []
    assert counts(plot) == [count]


@pytest.mark.parametrize("saved", [True, False])
def test_a_possible_loss_is_a_problem_after_a_restart_too(plot, saved):
    lose(plot, "a.csv")
    before = problems(plot)
    if saved:
        plot.save()
    plot.start()
    assert problems(plot) == before != []
    assert len(counts(plot)) == 1


def test_every_possible_loss_counts_however_many_there_are(plot):
    for n in range(25):
        lose(plot, f"{n}.csv", n)
    assert counts(plot)[0].startswith("25 possible losses, the latest: ")
    plot.save()
    plot.start()
    assert counts(plot)[0].startswith("25 possible losses, the latest: ")
    assert "24.csv" in counts(plot)[0]


def test_a_state_file_without_the_count_counts_the_losses_it_holds():
    table = KnownFiles().to_json()
    del table["lost"]
    table["losses"] = [[1, "a", 2, 3, "words"]]
    assert KnownFiles.of_json(table).lost == 1
