"""A tiny person and a short pose for the tests of the diffusion engines: small pictures, no detection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.animation.target import Target
from models.lexicon.avatar import Signer
from models.lexicon.looks import LOOKS
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.pose import landmarks

SIDE = 96


def signing(gloss: str = "HELLO", side: int = SIDE) -> Pose:
    """A sign in a picture of this side."""
    return perform([load_phonology()[gloss]], fps=25, width=side, height=side).pose


def cut(pose: Pose, start: int, end: int) -> Pose:
    """Some frames of a pose."""
    data, sure = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)
    return landmarks.with_arrays(pose, data[start:end], sure[start:end])


def person(side: int = SIDE) -> Target:
    """A drawn person at rest, their landmarks those they were drawn from."""
    pose = signing(side=side)
    signer = Signer(pose, LOOKS["kofi"], width=side, height=side)
    image: NDArray[np.uint8] = signer.frame(0)
    alpha = signer.frame(0, background=False)[..., 3].astype(np.float32) / 255
    return Target(image=image, pose=cut(pose, 0, 1), person=alpha, people=((0, 0, side, side),), chosen=0)
