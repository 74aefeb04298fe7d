"""A base action model that has learned nothing, of a few kilobytes, for tests of what is made with one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pose_format import Pose

from models.lexicon.avatar import render_avatar
from models.lexicon.looks import LOOKS
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.pose.landmarks import BODY, LEFT_HAND, RIGHT_HAND, WORLD
from models.synthesis.codec import new_codec
from models.synthesis.config import BaseActionConfig
from models.synthesis.encoder import new_encoder
from models.synthesis.motion import Motion
from models.synthesis.network import BaseAction, new_unet
from models.synthesis.pipeline import BaseActionPipeline, WordExample
from models.synthesis.whole_pose import in_frames

FRAMES, FPS = 20, 10.0
TRAINED_ON = "trained on nothing, by a test"
CONFIG = BaseActionConfig(
    start="scratch",
    encoder="small",
    size=64,
    window=16,
    layout=16,
    layout_width=16,
    widths=(32,),
    tokens=32,
    latents=4,
    patch=4,
    encoder_width=32,
    train="full",
    checkpointing=False,
    motion="new",
)
WORDS = ("BOOK", "thank you")


def toy_pipeline() -> BaseActionPipeline:
    """The same each time."""
    torch.manual_seed(0)
    unet = new_unet(CONFIG)
    torch.nn.init.normal_(unet.conv_out.weight, std=0.05)  # zero, as it begins, it would say nothing of what it is told
    model = BaseAction(CONFIG, unet, CONFIG.encoder_width).eval().requires_grad_(False)
    vae, encoder = (net.eval().requires_grad_(False) for net in (new_codec(CONFIG), new_encoder(CONFIG)))
    words = {word: toy_word(word) for word in WORDS}
    return BaseActionPipeline(model, vae, encoder, words, trained_on=TRAINED_ON, drawn=True)


def toy_word(word: str) -> WordExample:
    """What a model keeps of a word: embeddings of chance, and the pose of the drawn signer, without a face."""
    rng = np.random.default_rng(sum(map(ord, word)))
    views = rng.normal(size=(2, FRAMES, 3, CONFIG.encoder_width)).astype(np.float32)
    views *= CONFIG.encoder_width**0.5 / np.linalg.norm(views, axis=-1, keepdims=True)
    motions = [Motion(views=one, seen=np.ones((FRAMES, 3), bool), fps=FPS) for one in views]
    pose = faceless(word.upper().replace(" ", "-"))
    first = next(iter(render_avatar(pose, LOOKS["sofia"])))
    return WordExample(
        word=word, medoid=motions[0], barycentre=motions[1], reference=np.asarray(first), pose=pose, samples=7
    )


def faceless(gloss: str) -> Pose:
    """The pose of a sample: of the drawn signer, without the face."""
    pose = perform([load_phonology()[gloss]], width=CONFIG.size, height=CONFIG.size).pose
    return in_frames(pose.get_components([BODY, LEFT_HAND, RIGHT_HAND, WORLD]), FRAMES, FPS)


def toy_model(folder: Path) -> Path:
    """A folder with the model."""
    toy_pipeline().save_pretrained(folder)
    return folder
