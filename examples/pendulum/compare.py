"""Hold the periods of all pendulums against the theory."""

import math


def compare(amplitude, period, length, gravity):
    """Make the table, and fit the first correction to the small swing's period.

    amplitude, period: lists, one entry per pendulum (degrees, seconds).
    """
    small_swing = 2 * math.pi * math.sqrt(length / gravity)
    rows = []
    for degrees, seconds in sorted(zip(amplitude, period, strict=True)):
        exact = small_swing / mean(1.0, math.cos(math.radians(degrees) / 2))
        rows.append([degrees, seconds, exact, seconds / exact - 1])
    return {
        "table": rows,
        "worst_error": max(abs(row[3]) for row in rows),
        "correction": fit_correction(rows, small_swing),
    }


def mean(a, b):
    """The arithmetic-geometric mean: the exact period is T0 / mean(1, cos(A/2))."""
    while abs(a - b) > 1e-15 * a:
        a, b = (a + b) / 2, math.sqrt(a * b)
    return a


def fit_correction(rows, small_swing):
    """Least squares for c in T/T0 = 1 + c A^2 + d A^4, amplitudes up to 45 degrees.

    The series expansion of the elliptic integral says c = 1/16.
    """
    points = [(math.radians(row[0]) ** 2, row[1] / small_swing - 1) for row in rows]
    points = [(x, y) for x, y in points if x <= math.radians(45.001) ** 2]
    xx = sum(x**2 for x, _ in points)
    xxx = sum(x**3 for x, _ in points)
    xxxx = sum(x**4 for x, _ in points)
    xy = sum(x * y for x, y in points)
    xxy = sum(x**2 * y for x, y in points)
    return (xy * xxxx - xxy * xxx) / (xx * xxxx - xxx**2)
