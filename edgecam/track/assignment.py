"""Optimal assignment of sparse pairs: the cheapest way to match as many as can be.

Tracks and detections that have no admitted pair in common don't compete. So the pairs
are cut into connected groups first, and most groups are a single pair; what is left is
solved group by group, by scipy where it is installed and by the Hungarian method of
`solve_small` elsewhere, with the same result. A picture with a thousand objects costs
a thousand small problems, not one large one.
"""
import numpy as np

try:
    from scipy.optimize import linear_sum_assignment
except ImportError:                 # on most boards
    linear_sum_assignment = None


def assign(rows, columns, costs, unmatched=1000.0):
    """Choose pairs so that no row or column is used twice and the sum is least.

    *rows*, *columns*, *costs* are arrays of the n admitted pairs, each pair at most once.
    *unmatched* is the price of a row without a column; costs must lie well below it, so
    that as many rows as possible are matched. Returns the indices of the chosen pairs.
    """
    if len(rows) < 2:
        return np.arange(len(rows))
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    if alone.all():
        return np.arange(len(rows))
    chosen = [np.flatnonzero(alone)]
    rest = np.flatnonzero(~alone)
    for group in connected(rows[rest].tolist(), columns[rest].tolist()):
        group = rest[group]
        chosen.append(group[solve_group(rows[group], columns[group], costs[group], unmatched)])
    return np.concatenate(chosen)


def connected(rows, columns):
    """Split pairs into groups that share no row and no column; yields lists of indices."""
    parent = {}

    def root(node):
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row, column in zip(rows, columns):
        column = -1 - column                    # columns live below zero
        parent.setdefault(row, row)
        parent.setdefault(column, column)
        parent[root(row)] = root(column)
    groups = {}
    for index, row in enumerate(rows):
        groups.setdefault(root(row), []).append(index)
    return list(groups.values())


def solve_group(rows, columns, costs, unmatched):
    """Solve one connected group; returns indices into its pairs."""
    row_names, r = np.unique(rows, return_inverse=True)
    column_names, c = np.unique(columns, return_inverse=True)
    table = np.full((len(row_names), len(column_names)), unmatched)
    index = np.full(table.shape, -1)
    table[r, c], index[r, c] = costs, np.arange(len(costs))
    if linear_sum_assignment is not None:
        i, j = linear_sum_assignment(table)
    else:
        i, j = solve_small(table)
    chosen = index[i, j]
    return chosen[chosen >= 0]


def solve_small(table):
    """Solve a dense assignment like scipy's `linear_sum_assignment`: returns (rows, columns).

    Shortest augmenting paths with potentials (Kuhn 1955, Jonker and Volgenant 1987), one
    row at a time; O(n^2 m).
    """
    if table.shape[0] > table.shape[1]:
        columns, rows = solve_small(table.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    n, m = table.shape
    row_price, column_price = np.zeros(n), np.zeros(m)
    owner = np.full(m, -1)
    for row in range(n):
        augment(table, row, row_price, column_price, owner)
    columns = np.flatnonzero(owner >= 0)
    order = np.argsort(owner[columns])
    return owner[columns][order], columns[order]


def augment(table, start, row_price, column_price, owner):
    """Give row *start* a column, moving other rows along the cheapest path of changes."""
    m = table.shape[1]
    distance, came_from = np.full(m, np.inf), np.full(m, -1)
    done = np.zeros(m, bool)
    row, column, so_far = start, -1, 0.0
    while True:
        step = so_far + table[row] - row_price[row] - column_price
        better = ~done & (step < distance)
        distance[better], came_from[better] = step[better], column
        column = int(np.argmin(np.where(done, np.inf, distance)))
        so_far = distance[column]
        done[column] = True
        if owner[column] < 0:
            break
        row = owner[column]
    change = so_far - distance[done]
    held = owner[done] >= 0
    row_price[owner[done][held]] += change[held]
    row_price[start] += so_far
    column_price[done] -= change
    while column >= 0:
        previous = came_from[column]
        owner[column] = owner[previous] if previous >= 0 else start
        column = previous
