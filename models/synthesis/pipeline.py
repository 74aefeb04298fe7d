"""A trained base action model as its users see it: words in, clips out; and as it lies on disk.

    FOLDER/model.json           settings, and what it learned from, in words
    FOLDER/model.safetensors    what was trained; published weights stay where they are
    FOLDER/vae/, encoder/       those that were made for the data set
    FOLDER/words/WORD.safetensors, WORD.pose      what the samples of a word have in common

Shapes: T frames, S side of the pictures, D width of the embeddings, m side of the map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pose_format import Pose
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from models.errors import SignError, WeightsError
from models.files import replacing, safe_name
from models.model_folder import check_asked, fill, read_about, read_weights, unusable, write_model
from models.pose.files import read_pose, write_pose
from models.synthesis.codec import decode, encode, load_codec
from models.synthesis.config import BaseActionConfig
from models.synthesis.features import embed_all, load_encoder
from models.synthesis.motion import Motion, barycentre, medoid
from models.synthesis.network import BaseAction, new_unet
from models.synthesis.prepared import Frozen
from models.synthesis.published import halve_frozen, learns, parts
from models.synthesis.samples import Samples, WordSample
from models.synthesis.sampling import SamplingOptions, draw
from models.training.config import from_dict, to_dict
from models.weights import quiet

KIND, FORMAT = "base-action", 1
WORDS = "words"
Frames = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class WordExample:
    """What the samples of a word have in common, and one of them."""

    word: str
    medoid: Motion
    """Of the sample that is nearest to all others."""
    barycentre: Motion
    """The mean of all samples, in the time of that one."""
    reference: Frames
    """(S, S, 3) the first frame of that sample."""
    pose: Pose
    """Of that sample, in pixels of the square; without the face."""
    samples: int
    """How many there were."""


class BaseActionPipeline:
    """A trained model with all that it needs to draw."""

    def __init__(
        self,
        model: BaseAction,
        vae: Any,
        encoder: Any,
        words: Mapping[str, WordExample],
        *,
        trained_on: str = "",
        drawn: bool = False,
    ) -> None:
        self.model, self.vae, self.encoder, self.words = model, vae, encoder, words
        self.trained_on, self.drawn = trained_on, drawn
        self._half = False

    @property
    def config(self) -> BaseActionConfig:
        """Its settings."""
        return self.model.config

    @classmethod
    def from_pretrained(cls, folder: Path, weights: Path | None = None) -> BaseActionPipeline:
        """The model of a folder that `save_pretrained` wrote. weights: where published ones are looked for first.

        Raises WeightsError, in words, when files are missing, cut off, of another version, or of another model.
        """
        folder = Path(folder)
        about = read_about(folder, kind=KIND, version=FORMAT, what="base action model")
        try:
            config = from_dict(BaseActionConfig, about["config"])
        except (KeyError, TypeError, SignError) as error:
            raise unusable(folder, error) from None
        if config.start == "published":
            found = parts(config, weights)
            unet, vae, encoder = found.unet, found.vae, found.encoder
        else:
            vae, encoder = _own_networks(folder)
            wide = int(encoder.config.projection_dim)
            check_asked(lambda: BaseAction(config, new_unet(config), wide), read_weights(folder), folder)
            unet = new_unet(config)
        model = BaseAction(config, unet, int(encoder.config.projection_dim))
        _load(model, folder)
        return cls(
            model.eval().requires_grad_(False),
            vae,
            encoder,
            {path.stem: _read_word(path) for path in sorted((folder / WORDS).glob("*.safetensors"))},
            trained_on=str(about.get("trained_on", "")),
            drawn=bool(about.get("drawn", False)),
        )

    def save_pretrained(self, folder: Path, *, half: bool = False) -> None:
        """Write the model as a folder of its own. half: in half precision, which is half the size."""
        _save(folder, self.model, self.vae, self.encoder, self.words, self.trained_on, self.drawn, half=half)

    def to(self, device: str | torch.device, *, half: bool | None = None) -> BaseActionPipeline:
        """The same on another device. half: draw in bfloat16; on a GPU unless it is said."""
        for net in (self.model, self.vae, self.encoder):
            net.to(device)
        self._half = torch.device(device).type == "cuda" if half is None else half
        if self._half:
            halve_frozen(self.model)
        return self

    def word(self, name: str) -> WordExample:
        """What is known of a word. Raises SignError when nothing is."""
        if name not in self.words:
            raise SignError(f"The model does not know {name!r}; it knows {', '.join(self.words) or 'no word'}.")
        return self.words[name]

    def generate(
        self,
        motion: Motion,
        reference: Frames,
        options: SamplingOptions | None = None,
        *,
        begin: Frames | None = None,
        on_step: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Frames:
        """(T, S, S, 3) uint8 RGB: the motion, begun at a reference frame (S, S, 3), by whoever is in it.

        begin (T, S, S, 3): a clip that is drawn over, as far as options.strength says. on_step gets steps done and of
        all. Raises Cancelled when `should_stop` says so, SignError for pictures of another size.
        """
        side, frames = self.config.size, len(motion)
        if reference.shape != (side, side, 3):
            raise SignError(f"The reference is {reference.shape}; the model draws {side} x {side} px in RGB.")
        if begin is not None and begin.shape != (frames, side, side, 3):
            raise SignError(f"The clip to begin with is {begin.shape}; {frames} frames of {side} px are wanted.")
        if motion.views.shape[2] != self.model.features:
            raise SignError("The embeddings are of another encoder than the model was trained with.")
        with torch.inference_mode():
            still, given = self._encoded(reference[None])[0], None if begin is None else self._encoded(begin)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                latents = draw(
                    self.model,
                    motion,
                    still,
                    options or SamplingOptions(),
                    begin=given,
                    on_step=on_step,
                    should_stop=should_stop,
                )
            made = decode(self.vae, latents)
        return np.asarray((made * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy(), np.uint8)

    def layout(self, motion: Motion) -> Frames:
        """(T, m, m, 3) the map of the pose that the model draws out of the embeddings."""
        device = self._device
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self._half):
            told = self.model.told(
                torch.from_numpy(motion.views).to(device)[None], torch.from_numpy(motion.seen).to(device)[None]
            )
        made = (told.layout[0].float() * 255).clamp(0, 255).round().to(torch.uint8)
        return np.asarray(made.permute(0, 2, 3, 1).cpu().numpy(), np.uint8)

    def features(self, frames: Frames) -> NDArray[np.float32]:
        """(T, D) embeddings of full pictures (T, S, S, 3)."""
        found = embed_all(self.encoder, torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2))
        return np.asarray(found.numpy(), np.float32)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _encoded(self, frames: Frames) -> Tensor:
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).to(self._device).float() / 255
        return encode(self.vae, pictures)


def save_base_action(
    folder: Path, model: BaseAction, nets: Frozen, words: Mapping[str, WordExample], *, trained_on: str, drawn: bool
) -> None:
    """Write a model that is being trained; see `BaseActionPipeline.save_pretrained`."""
    _save(folder, model, nets.vae, nets.encoder, words, trained_on, drawn)


def example(samples: Samples, of_word: Sequence[WordSample], motions: Sequence[Motion]) -> WordExample:
    """What the samples of one word have in common. motions: theirs."""
    chosen = medoid(motions)
    sample = of_word[chosen]
    frames = samples.views(sample)[0]
    return WordExample(
        word=sample.word,
        medoid=motions[chosen],
        barycentre=barycentre(motions, chosen),
        reference=np.asarray(frames[:, 0].permute(1, 2, 0).numpy(), np.uint8),
        pose=samples.pose(sample),
        samples=len(of_word),
    )


def _save(
    folder: Path,
    model: BaseAction,
    vae: Any,
    encoder: Any,
    words: Mapping[str, WordExample],
    trained_on: str,
    drawn: bool,
    *,
    half: bool = False,
) -> None:
    folder = Path(folder)
    if model.config.start == "scratch":
        with quiet():
            vae.save_pretrained(folder / "vae")
            encoder.save_pretrained(folder / "encoder")
    for word, one in words.items():
        _write_word(folder / WORDS / f"{word}.safetensors", one)
    about = {
        "format": FORMAT,
        "kind": KIND,
        "trained_on": trained_on,
        "drawn": drawn,
        "words": list(words),
        "config": to_dict(model.config),
    }
    write_model(folder, _trained(model), about, half=half)


def _trained(model: BaseAction) -> dict[str, Tensor]:
    """What has to be kept: all of a model from scratch; beside published weights what is not among them."""
    state = model.state_dict()
    if model.config.start == "scratch" or model.config.train == "full":
        return state
    published = {name for name, _ in model.named_parameters() if name.startswith("unet.") and not learns(name)}
    return {name: value for name, value in state.items() if name not in published}


def _load(model: BaseAction, folder: Path) -> None:
    tensors = read_weights(folder)
    if missing := set(_trained(model)) - set(tensors):
        raise WeightsError(f"{safe_name(folder)} lacks {len(missing)} tensors; copy or train the model again.")
    fill(model, tensors, folder, strict=False)


def _own_networks(folder: Path) -> tuple[Any, Any]:
    try:
        vae, encoder = load_codec(folder / "vae"), load_encoder(folder / "encoder")
        if not 1 <= int(encoder.config.image_size) <= 2048:
            raise ValueError(f"pictures of {encoder.config.image_size} px")
        return vae, encoder
    except (OSError, LookupError, AttributeError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{safe_name(folder)}: vae or encoder cannot be read ({error}); copy it again.") from None


def _write_word(path: Path, one: WordExample) -> None:
    write_pose(path.with_suffix(".pose"), one.pose)
    with replacing(path) as temporary:
        save_file(
            {
                "medoid": torch.from_numpy(one.medoid.views).half(),
                "medoid_seen": torch.from_numpy(one.medoid.seen),
                "barycentre": torch.from_numpy(one.barycentre.views).half(),
                "barycentre_seen": torch.from_numpy(one.barycentre.seen),
                "reference": torch.from_numpy(np.ascontiguousarray(one.reference)),
            },
            temporary,
            metadata={"fps": str(one.medoid.fps), "samples": str(one.samples)},
        )


def _read_word(path: Path) -> WordExample:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="np") as file:
            about = file.metadata() or {}
            fps = float(about["fps"])
            motions = {
                name: Motion(
                    views=file.get_tensor(name).astype(np.float32), seen=file.get_tensor(f"{name}_seen"), fps=fps
                )
                for name in ("medoid", "barycentre")
            }
            reference, samples = file.get_tensor("reference"), int(about["samples"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{safe_name(path)} cannot be read ({error}); copy or train the model again.") from None
    pose = read_pose(path.with_suffix(".pose"))
    return WordExample(word=path.stem, **motions, reference=reference, pose=pose, samples=samples)
