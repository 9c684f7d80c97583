"""The map of the three-task workflow."""


def halve(product):
    """Half of one product."""
    return {"half": product / 2}
