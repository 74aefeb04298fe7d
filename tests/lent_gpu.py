"""Run by test_hosting.py in a process of its own, with fake_spaces.py in place of the package `spaces`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from models.errors import WeightsError
from models.progress import Cancelled
from studio import hosting


@hosting.gpu(seconds=60)
def counted(most: int) -> Iterator[int]:
    for number in range(most):
        if number == 3:
            raise WeightsError("The fourth is not here; ask for three.")
        yield number


@hosting.gpu(seconds=0.6)
def slow(most: int) -> Iterator[int]:
    for number in range(most):
        time.sleep(0.25)
        yield number


def crossing() -> None:
    """Values, errors and the end of the time arrive from the worker."""
    import spaces

    assert spaces.asked == [("counted", 60), ("slow", 0.6)], spaces.asked
    assert list(counted(3)) == [0, 1, 2]
    try:
        list(counted(9))
    except WeightsError as error:
        assert "ask for three" in str(error)
    else:
        raise AssertionError("the error was lost")
    got = []
    try:
        for number in slow(50):
            got.append(number)
    except Cancelled:
        assert 1 <= len(got) < 50, got
    else:
        raise AssertionError("it was not stopped in time")


def animation(picture: Path, pose: Path, weights: Path, folder: Path) -> None:
    """The Animate tab's work, after this process has used all that does not outlive a fork."""
    import spaces
    import torch
    from test_hosting import animated

    torch.set_num_threads(2)
    torch.randn(900, 900) @ torch.randn(900, 900)
    assert animated(picture, pose, weights, folder).animation.complete
    assert spaces.asked[2:] == [("_diffused", 120.0)], spaces.asked
    assert hosting.device() == "cpu"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        animation(*map(Path, sys.argv[1:]))
    else:
        crossing()
    print("all of it arrived")
