"""A model of actions that has learned nothing, in a folder, for tests of what is done with its answers."""

from __future__ import annotations

from pathlib import Path

import torch
from multistream_toy import MODEL

from models.recognition.multistream.files import save_multistream
from models.recognition.multistream.network import MultiStream

LABELS = ("Closing something", "Moving part of something", "Putting something on something")
TRAINED_ON = "trained on nothing at all"
DESCRIPTION = f"A multi-stream model of 3 actions, {TRAINED_ON}."
NO_BOXES = "There are no boxes of objects; the answer goes by the hands and the scene alone."
NO_HANDS = "Hands were not looked for."


def toy_model(folder: Path, *, drawn: bool = True) -> Path:
    """Write one."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_multistream(MultiStream(MODEL, LABELS), folder, trained_on=TRAINED_ON, drawn=drawn)
    return folder
