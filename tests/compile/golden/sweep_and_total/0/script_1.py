def halve(product):
    return {"half": product / 2}
