"""Slots on the grid and slots that are given."""

from hypothesis import given
from hypothesis import strategies as st
from tests.instants import Instants

from edaphon.acquire.slots import Grid


def test_the_grid_is_aligned_to_the_wall():
    grid = Grid(600)
    assert grid.next_after(0) == 600
    assert grid.next_after(599) == 600
    assert grid.next_after(600) == 1200
    assert list(grid.between(600, 1800)) == [1200, 1800]
    assert list(grid.between(601, 1199)) == []


@given(st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 10**7))
def test_between_lists_what_next_after_would_walk(interval, start, span):
    grid = Grid(interval * 1000)
    listed = list(grid.between(start, start + span))
    walked, at = [], grid.next_after(start)
    while at <= start + span:
        walked.append(at)
        at = grid.next_after(at)
    assert listed == walked


def test_given_instants_come_in_their_order_and_end():
    given_ones = Instants([5, 9, 30])
    assert given_ones.next_after(4) == 5
    assert given_ones.next_after(5) == 9
    assert given_ones.next_after(30) is None
    assert given_ones.between(5, 30) == [9, 30]
