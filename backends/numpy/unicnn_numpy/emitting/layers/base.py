"""What all layers have."""


class Layer:
    """Be a step of a network, with `parameters` and, after `backward`, `gradients`."""

    def __init__(self, **parameters):
        self.parameters = parameters
        self.gradients = {}


def pair(value):
    """Return (vertical, horizontal), given a pair or one number for both."""
    return value if isinstance(value, tuple) else (value, value)


def sides(value):
    """Return ((top, bottom), (left, right)), given them or fewer numbers."""
    vertical, horizontal = pair(value)
    return pair(vertical), pair(horizontal)
