"""Poses of signs and sentences for tests, performed by the generator: no video, no MediaPipe."""

from __future__ import annotations

from functools import lru_cache

from pose_format import Pose

from models.lexicon.dataset import person
from models.lexicon.performance import Performance, perform
from models.lexicon.phonology_files import load_phonology


@lru_cache(maxsize=64)
def performance(*glosses: str, signer: int = 0, fps: float = 25) -> Performance:
    """The glosses by a signer of this number, from rest to rest."""
    phonology = load_phonology()
    return perform([phonology[gloss] for gloss in glosses], person(signer).style, fps=fps, width=512, height=512)


def performed(*glosses: str, signer: int = 0, fps: float = 25) -> Pose:
    """Only the pose, a copy."""
    return performance(*glosses, signer=signer, fps=fps).pose.copy()
