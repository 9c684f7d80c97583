"""The period of a pendulum, by integrating its equation of motion."""

import math


def swing(amplitude, length, gravity, steps):
    """Release a pendulum at rest and time a quarter of its swing.

    amplitude: the angle it is released at, degrees, 0 < amplitude < 180.
    length, gravity: metres, metres per second squared.
    steps: integration steps per period of the small swing.
    Returns the period in seconds.
    """
    omega_squared = gravity / length
    dt = 2 * math.pi / math.sqrt(omega_squared) / steps
    angle, speed, time = math.radians(amplitude), 0.0, 0.0
    while True:
        next_angle, next_speed = runge_kutta(angle, speed, omega_squared, dt)
        if next_angle <= 0:
            break
        angle, speed, time = next_angle, next_speed, time + dt
    return {"period": 4 * (time + last_step(angle, speed, omega_squared, dt))}


def runge_kutta(angle, speed, omega_squared, dt):
    """One classical Runge-Kutta step of angle'' = -omega^2 sin(angle)."""

    def slope(a, s):
        return s, -omega_squared * math.sin(a)

    a1, s1 = slope(angle, speed)
    a2, s2 = slope(angle + a1 * dt / 2, speed + s1 * dt / 2)
    a3, s3 = slope(angle + a2 * dt / 2, speed + s2 * dt / 2)
    a4, s4 = slope(angle + a3 * dt, speed + s3 * dt)
    return (
        angle + (a1 + 2 * a2 + 2 * a3 + a4) * dt / 6,
        speed + (s1 + 2 * s2 + 2 * s3 + s4) * dt / 6,
    )


def last_step(angle, speed, omega_squared, dt):
    """The part of a step that brings the angle to zero, by Newton's method."""
    part = dt / 2
    for _ in range(20):
        end_angle, end_speed = runge_kutta(angle, speed, omega_squared, part)
        part -= end_angle / end_speed
    return part
