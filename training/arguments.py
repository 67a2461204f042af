"""Values of command-line options; argparse turns the ValueErrors into its own messages."""

import math


def positive(text: str) -> int:
    """Return a whole number from 1 on; raises ValueError for anything else."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def hours(text: str) -> float:
    """Return a finite number above 0; raises ValueError for anything else."""
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number
