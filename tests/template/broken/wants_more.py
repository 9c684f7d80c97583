"""The function takes what the schema does not have."""


def wants_more(x, weight, *, scale=1):
    return {"y": x * weight * scale}
