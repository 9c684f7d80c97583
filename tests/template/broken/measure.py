"""A script that is fine."""


def measure(x):
    return {"y": x}
