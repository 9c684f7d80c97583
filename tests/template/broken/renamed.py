"""The function is not named as the file."""


def rename(x):
    return {"y": x}
