"""Draw the period against the amplitude."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def draw(table, length):
    """Save period.png in the run's own directory and return where it is."""
    degrees = [row[0] for row in table]
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(degrees, [row[2] for row in table], "-", label="elliptic integral")
    axes.plot(degrees, [row[1] for row in table], "o", label="integrated", markersize=4)
    axes.set_xlabel("amplitude (degrees)")
    axes.set_ylabel("period (s)")
    axes.set_title(f"A pendulum of {length:g} m")
    axes.legend()
    path = Path("period.png").resolve()
    figure.savefig(path, dpi=150)
    print(f"wrote {path}")
    return {"figure": str(path)}
