"""Find the lattice constant of least energy, and what the crystal is like there."""

import numpy as np


def fit(lattice_constant, energy):
    """Fit the energies of an fcc crystal; everything in Lennard-Jones units.

    With a volume V per atom, a Lennard-Jones crystal's energy is a sum of terms in
    V^-4 and V^-2: exactly quadratic in u = V^-2, so a parabola through all points
    gives the minimum without a narrow range around it.
    """
    volume = np.array(lattice_constant) ** 3 / 4
    curvature, slope, rest = np.polyfit(volume**-2, np.array(energy), 2)
    best_u = -slope / (2 * curvature)
    best_volume = best_u**-0.5
    return {
        "best_lattice_constant": float((4 * best_volume) ** (1 / 3)),
        "cohesive_energy": float(rest - slope**2 / (4 * curvature)),
        "bulk_modulus": float(8 * curvature * best_volume**-5),  # V d2E/dV2
    }
