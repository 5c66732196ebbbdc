"""Columns: taking some rows and joining runs keep every column that a class has."""

from dataclasses import fields

import numpy as np
import pytest

from edaphon.model import Columns, Observations, Readings

N = 4
NUMBERS = np.arange(N) * 1.5
FLAGS = np.arange(N).astype(np.int8)
TIMES = np.arange(N) * 60
READINGS = Readings(TIMES, TIMES, NUMBERS, TIMES, FLAGS, np.arange(3.0 * N).reshape(3, N))
RUN = Observations(
    "c", "d", TIMES, TIMES, NUMBERS, NUMBERS, NUMBERS, NUMBERS, FLAGS, FLAGS, TIMES, 7, TIMES
)
NO_COLUMNS = {"channel", "derivation", "rank"}


def columns_of(rows: Columns) -> dict[str, np.ndarray]:
    names = [field.name for field in fields(rows) if field.name not in NO_COLUMNS]
    return {name: getattr(rows, name) for name in names}


@pytest.mark.parametrize("whole", [READINGS, RUN])
@pytest.mark.parametrize(
    "rows", [slice(None), slice(1, 3), np.array([3, 0]), np.array([True, False, True, False])]
)
def test_rows_that_are_taken_have_every_column(whole, rows) -> None:
    taken = columns_of(whole.take(rows))
    assert taken.keys() == columns_of(whole).keys()
    for name, column in columns_of(whole).items():
        assert taken[name].tolist() == column[..., rows].tolist(), name


@pytest.mark.parametrize("whole", [READINGS, RUN])
def test_runs_that_are_joined_have_every_column(whole) -> None:
    parts = [whole.take(slice(0, 1)), whole.take(slice(1, None))]
    joined = columns_of(type(whole).concat(parts))
    for name, column in columns_of(whole).items():
        assert joined[name].tolist() == column.tolist(), name


def test_what_is_no_column_stays() -> None:
    for run in (RUN.take(slice(0, 2)), Observations.concat([RUN, RUN])):
        assert (run.channel, run.derivation, run.rank) == ("c", "d", 7)
    without = Observations.concat(2 * [Observations("c", "d", *9 * [TIMES])])
    assert without.ordinal is None
    assert len(without) == 2 * N
