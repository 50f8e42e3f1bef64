"""Optimal assignment of sparse pairs: the cheapest way to match rows with columns.

Tracks and detections that have no admitted pair in common don't compete, and where every
row's cheapest column is another one nobody has to give way: most pictures are solved by
seeing that. Else the pairs are cut into connected groups, and only groups in which two
rows want the same column are solved, by scipy where it is installed and by the Hungarian
method of `solve_small` elsewhere, with the same result. A picture with a thousand objects
costs a thousand small problems, not one large one.
"""
import numpy as np

try:
    from scipy.optimize import linear_sum_assignment
except ImportError:                 # on most boards
    linear_sum_assignment = None


def assign(rows, columns, costs, unmatched=1e6):
    """Choose pairs so that no row or column is used twice and the sum is least.

    *rows*, *columns*, *costs* are arrays of the n admitted pairs, each pair at most once.
    *unmatched* is the price of a row without a column, where others want the same ones; a
    pair that nobody contests is always chosen. Returns the indices of the chosen pairs.
    """
    n = len(rows)
    if n < 2:
        return np.arange(n)
    rows, columns, costs = rows.tolist(), columns.tolist(), costs.tolist()
    chosen = without_conflict(range(n), rows, columns, costs, unmatched)
    if chosen is None:
        chosen = []
        for group in connected(rows, columns):
            chosen += solve_group(group, rows, columns, costs, unmatched)
    return np.array(chosen, np.intp)


def without_conflict(pairs, rows, columns, costs, unmatched):
    """Return the best of *pairs* where that can be seen at once, else None.

    Where the rows' cheapest pairs have no column in common, no choice is cheaper; the same holds
    for the columns. None also where such a pair costs more than to leave its row out.
    """
    for these, others in ((rows, columns), (columns, rows)):
        best = {}
        for pair in pairs:
            name = these[pair]
            if name not in best or costs[pair] < costs[best[name]]:
                best[name] = pair
        chosen = list(best.values())
        if len({others[pair] for pair in chosen}) == len(chosen) and max([costs[pair] for pair in chosen]) < unmatched:
            return chosen
    return None


def connected(rows, columns):
    """Split the pairs into groups that share no row and no column; returns lists of their indices."""
    parent = {}

    def root(node):
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row, column in zip(rows, columns):
        column = -1 - column                                # columns live below zero
        parent.setdefault(row, row)
        parent.setdefault(column, column)
        parent[root(row)] = root(column)
    groups = {}
    for pair, row in enumerate(rows):
        groups.setdefault(root(row), []).append(pair)
    return groups.values()


def solve_group(group, rows, columns, costs, unmatched):
    """Solve one connected group; returns the chosen of its pairs."""
    if len(group) == 1:
        return group
    chosen = without_conflict(group, rows, columns, costs, unmatched)
    if chosen is not None:
        return chosen
    r = number([rows[pair] for pair in group])
    c = number([columns[pair] for pair in group])
    n = max(r) + 1
    table = np.full((n, max(c) + 1 + n), unmatched)        # a spare column for each row
    table[r, c] = [costs[pair] for pair in group]
    if linear_sum_assignment is not None:
        i, j = linear_sum_assignment(table)
    else:
        i, j = solve_small(table)
    solution = set(zip(i.tolist(), j.tolist()))
    return [pair for pair, place in zip(group, zip(r, c)) if place in solution]


def number(names):
    """Replace names by 0, 1, 2, ... in the order in which they first come."""
    seen = {}
    return [seen.setdefault(name, len(seen)) for name in names]


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
