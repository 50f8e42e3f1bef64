"""The cheapest matching: ours is scipy's, and both are brute force's."""
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.track import assignment
from edgecam.track.assignment import assign, solve_small


def cheapest(table):
    """The least sum over all ways to give every row of the shorter side a place."""
    if table.shape[0] > table.shape[1]:
        table = table.T
    n, m = table.shape
    return min(sum(table[i, columns[i]] for i in range(n)) for columns in itertools.permutations(range(m), n))


def random_table(n, m, seed):
    return np.random.RandomState(seed).uniform(size=(n, m))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10 ** 6))
def test_solve_small_is_brute_force(n, m, seed):
    table = random_table(n, m, seed)
    rows, columns = solve_small(table)
    assert len(set(rows)) == len(set(columns)) == min(n, m)
    assert table[rows, columns].sum() == pytest.approx(cheapest(table))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 10 ** 6))
def test_solve_small_is_scipy(n, m, seed):
    solve = pytest.importorskip("scipy.optimize").linear_sum_assignment
    table = random_table(n, m, seed)
    for ours, theirs in zip(solve_small(table), solve(table)):
        assert ours.tolist() == theirs.tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 25), st.integers(1, 25), st.floats(0.02, 0.9), st.integers(0, 10 ** 6))
def test_sparse_pairs_give_the_same_without_scipy(n, m, density, seed):
    pytest.importorskip("scipy.optimize")
    rng = np.random.RandomState(seed)
    rows, columns = np.nonzero(rng.uniform(size=(n, m)) < density)
    costs = rng.uniform(size=len(rows))
    with_scipy = assign(rows, columns, costs, 1.0)
    theirs, assignment.linear_sum_assignment = assignment.linear_sum_assignment, None
    try:
        without = assign(rows, columns, costs, 1.0)
    finally:
        assignment.linear_sum_assignment = theirs
    assert sorted(with_scipy) == sorted(without)
    assert len(set(rows[without])) == len(set(columns[without])) == len(without)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.floats(0.1, 0.9), st.integers(0, 10 ** 6))
def test_no_other_choice_of_sparse_pairs_is_cheaper(n, m, density, seed):
    """Also where the cheapest pairs are seen without a solver, and where leaving a row out is cheaper than its pair."""
    rng = np.random.RandomState(seed)
    rows, columns = np.nonzero(rng.uniform(size=(n, m)) < density)
    costs, unmatched = rng.uniform(size=len(rows)), 0.7
    contested = (np.bincount(rows, minlength=n)[rows] > 1) | (np.bincount(columns, minlength=m)[columns] > 1)
    costs[~contested] *= unmatched              # a pair that nobody contests is chosen at any price
    table = np.full((n, m + n), unmatched)
    table[rows, columns] = costs
    chosen = assign(rows, columns, costs, unmatched)
    assert costs[chosen].sum() + unmatched * (n - len(chosen)) == pytest.approx(table[solve_small(table)].sum())


def test_nothing_and_one():
    empty = np.zeros(0, int)
    assert len(assign(empty, empty, np.zeros(0))) == 0
    assert assign(np.array([3]), np.array([7]), np.array([0.5])).tolist() == [0]


def test_a_contested_track_may_go_without():
    rows, columns, costs = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([.1, 1.5, .2, 1.5])
    assert [(rows[n], columns[n]) for n in assign(rows, columns, costs, 1.0)] == [(0, 0)]
    assert len(assign(rows, columns, costs, 1000.0)) == 2
