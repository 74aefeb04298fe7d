"""What training reads: latents, embeddings, maps and masks of every sample, computed once.

    DATA/base-action/codec-MARK/, encoder-MARK/      those that are made here (diffusers' and transformers' own folders)
    DATA/base-action/features-MARK/HASH.safetensors  embeddings, by encoder and content of the pictures
    DATA/base-action/arrays-MARK/WORD/SAMPLE.safetensors; the latents in several colourings, (V, T, C, h, h)

Shapes: V colourings, T frames, C latent channels, h latent side, m map side, D width of the embeddings.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.data.word_samples import META
from models.data.work import fingerprint
from models.files import replacing
from models.pose.landmarks import BODY, component
from models.pose.span import HAND_OF, SIDES
from models.synthesis.codec import encode, fitted_codec, load_codec
from models.synthesis.config import BaseActionConfig
from models.synthesis.encoder import train_encoder
from models.synthesis.features import load_encoder, mark, motion_of
from models.synthesis.published import BASE, load_clip, load_vae
from models.synthesis.samples import Samples, WordSample, hand_mask, pose_maps
from models.training.run import Tell
from models.weights import find, quiet

FOLDER = "base-action"
_VERSION = 3
_ARMS = (0, 11, 12, 13, 14, 15, 16)  # nose, shoulders, elbows, wrists
_POOL = 12_000  # pictures that the small codec and encoder learn from, at most: 150 MB at 64 px
_BODY_SURE = 0.3


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """The networks that are not trained with the model, and where they are."""

    vae: Any
    encoder: Any
    mark: str
    """Of both: what was computed with others is computed again."""
    features: Path
    """Where embeddings are kept."""
    colours: int
    """In how many colourings each sample is kept."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Some frames of one sample."""

    reference: Tensor
    """(C, h, h) the sample's first frame."""
    latents: Tensor
    """(T, C, h, h)."""
    layout: Tensor
    """(T, 3, m, m) 0 to 1."""
    hands: Tensor
    """(T, 1, h, h) 0 or 1."""


def frozen(samples: Samples, config: BaseActionConfig, weights: Path | None, tell: Tell, *, colours: int = 1) -> Frozen:
    """VAE and encoder: the published ones, or small ones that are trained on the samples where they are not yet."""
    root = samples.data / FOLDER
    if config.start == "published":
        vae_folder, encoder_folder = find(BASE, weights) / "vae", find(config.encoder, weights)
        vae, encoder = load_vae(weights), load_clip(config, weights)
    else:
        vae_folder, encoder_folder = _made_here(samples, config, root, tell)
        vae, encoder = load_codec(vae_folder), load_encoder(encoder_folder)
    encoder_mark = mark(encoder_folder)
    return Frozen(
        vae=vae,
        encoder=encoder,
        mark=fingerprint(_VERSION, mark(vae_folder), encoder_mark, config.layout, colours)[:12],
        features=root / f"features-{encoder_mark}",
        colours=colours,
    )


def prepare_arrays(samples: Samples, config: BaseActionConfig, nets: Frozen, tell: Tell) -> None:
    """Compute the arrays of every sample that has none."""
    for done, sample in enumerate(samples.all, start=1):
        path, key = array_path(samples, nets, sample), _key(sample)
        if _key_of(path) != key:
            _write_arrays(samples, config, nets, sample, path, key)
        tell("Computing latents and embeddings", done, len(samples.all))


def recoloured(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The same in other colours, (N, 3, S, S) of 0 to 1: the channels change places, and each gets a gain and an
    offset. Few signers have few colours, and what is learned from them should hold for all."""
    count = len(pictures)
    places = torch.rand((count, 3), generator=generator).argsort(dim=1)
    gain = 0.5 + 0.8 * torch.rand((count, 3, 1, 1), generator=generator)
    offset = (1 - gain) * torch.rand((count, 3, 1, 1), generator=generator)
    return (pictures[torch.arange(count)[:, None], places] * gain + offset).clamp(0, 1)


def relit(clip: Tensor, generator: torch.Generator) -> Tensor:
    """All frames (T, 3, S, S) of a clip in the same other light, in which people still have people's colours."""
    gain = (0.8 + 0.4 * torch.rand(1, generator=generator)) * (0.9 + 0.2 * torch.rand((3, 1, 1), generator=generator))
    return (clip * gain).clamp(0, 1)


def array_path(samples: Samples, nets: Frozen, sample: WordSample) -> Path:
    """The arrays of a sample."""
    return samples.data / FOLDER / f"arrays-{nets.mark}" / sample.word / f"{sample.path.name}.safetensors"


def read_motion(path: Path) -> tuple[Tensor, Tensor]:
    """(T, 3, D) embeddings and (T, 3) bool whether each was seen, of the whole sample."""
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("motion").float(), file.get_tensor("seen").bool()


def read_window(path: Path, start: int, length: int, colouring: int = 0) -> Window:
    """Frames of a sample. colouring: 0 is as it was filmed."""
    with safe_open(path, framework="pt") as file:
        latents = file.get_slice("latents")
        reference = latents[colouring : colouring + 1, :1][0, 0].float()
        window = latents[colouring : colouring + 1, start : start + length][0].float()
        layout, hands = (file.get_slice(name)[start : start + length] for name in ("layout", "hands"))
    return Window(reference=reference, latents=window, layout=layout.float() / 255, hands=hands.float()[:, None])


def _write_arrays(
    samples: Samples, config: BaseActionConfig, nets: Frozen, sample: WordSample, path: Path, key: str
) -> None:
    views, pose = samples.views(sample), samples.pose(sample)
    device = next(nets.vae.parameters()).device
    with torch.inference_mode():
        pictures = views[0].transpose(0, 1).float() / 255
        generator = torch.Generator().manual_seed(sample.number)
        others = nets.colours - 1 if sample.split == "train" else 0
        shown = [pictures, *(relit(pictures, generator) for _ in range(others))]
        latents = torch.stack([encode(nets.vae, one.to(device)).cpu() for one in shown])
    arrays = {
        "latents": latents.half().contiguous(),
        "motion": motion_of(nets.encoder, views, nets.features).half(),
        "seen": samples.seen(sample).to(torch.uint8),
        "layout": torch.from_numpy(pose_maps(pose, config.layout)).permute(0, 3, 1, 2).contiguous(),
        "hands": torch.from_numpy(hand_mask(pose, latents.shape[-1])).to(torch.uint8),
    }
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata={"key": key})


def _key(sample: WordSample) -> str:
    # Written last, and anew whenever the pictures are.
    return fingerprint((sample.path / META).read_text(encoding="utf-8"))


def _key_of(path: Path) -> str | None:
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get("key")


def _made_here(samples: Samples, config: BaseActionConfig, root: Path, tell: Tell) -> tuple[Path, Path]:
    train = samples.of("train")
    kept = [[str(one.path.relative_to(samples.data)), _key(one)] for one in train]
    codec = root / f"codec-{fingerprint(_VERSION, kept, config.latents, config.patch)[:12]}"
    encoder = root / f"encoder-{fingerprint(_VERSION, kept, config.encoder_width, config.encoder_steps)[:12]}"
    if not (codec.is_dir() and encoder.is_dir()):
        pool = _Pool(samples, train)
        if not encoder.is_dir():
            net = train_encoder(config, pool.full, pool.hands, lambda done, of: tell("Training the encoder", done, of))
            _save(net, encoder)
        if not codec.is_dir():
            _save(fitted_codec(config, pool.pictures), codec)
    return codec, encoder


def _save(net: Any, folder: Path) -> None:
    """The net's own folder; under another name until it is whole."""
    half = folder.with_name(f".part-{folder.name}")
    shutil.rmtree(half, ignore_errors=True)
    with quiet():
        net.save_pretrained(half)
    half.rename(folder)


class _Pool:
    """Pictures of the training split with their landmarks, in memory, some of them where they are many."""

    def __init__(self, samples: Samples, train: Sequence[WordSample]) -> None:
        self._samples = samples
        rng = np.random.default_rng(0)
        each = max(1, min(samples.num_frames, _POOL // max(1, len(train))))
        full: list[Tensor] = []
        crops: list[Tensor] = []
        body: list[NDArray[np.float32]] = []
        hand: list[NDArray[np.float32]] = []
        for sample in train:
            if len(full) * each > _POOL:
                break
            frames = np.sort(rng.choice(samples.num_frames, each, replace=False))
            views = samples.views(sample)
            full.append(views[0].transpose(0, 1)[frames])
            body.append(_body(samples, sample)[frames])
            for side, view in zip(SIDES, views[1:], strict=True):
                found = _hand(samples, sample, side)[frames]
                known = found[:, 0, 2] > 0
                crops.append(view.transpose(0, 1)[frames][torch.from_numpy(known)])
                hand.append(found[known])
        self._full, self._crops = torch.cat(full), torch.cat(crops)
        self._body, self._hand = (torch.from_numpy(np.concatenate(one)) for one in (body, hand))

    def pictures(self, count: int, generator: torch.Generator) -> Tensor:
        """For the codec."""
        shown = self._full[torch.randint(len(self._full), (count,), generator=generator)].float() / 255
        return recoloured(shown, generator)

    def full(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """For the encoder: full pictures with the landmarks of arms and hands."""
        return self._drawn(self._full, self._body, count, generator)

    def hands(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """For the encoder: crops of hands with their landmarks."""
        return self._drawn(self._crops, self._hand, count, generator)

    @staticmethod
    def _drawn(
        pictures: Tensor, points: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        chosen = torch.randint(len(pictures), (count,), generator=generator)
        shown = recoloured(pictures[chosen].float() / 255, generator)
        return shown, points[chosen, :, :2], points[chosen, :, 2] > 0


def _body(samples: Samples, sample: WordSample) -> NDArray[np.float32]:
    """(T, K, 3) arms and both hands: place as a share of the picture, and whether it is known."""
    pose = samples.pose(sample)
    size = pose.header.dimensions.width
    parts = []
    points, sure = component(pose, BODY)
    parts.append((points[:, _ARMS, :2], sure[:, _ARMS] > _BODY_SURE))
    for side in SIDES:
        points, sure = component(pose, HAND_OF[side])
        parts.append((points[..., :2], sure > 0))
    places, known = (np.concatenate([part[index] for part in parts], axis=1) for index in (0, 1))
    return np.concatenate([places / size, known[..., None]], axis=-1).astype(np.float32)


def _hand(samples: Samples, sample: WordSample, side: Any) -> NDArray[np.float32]:
    """(T, 21, 3) a hand's landmarks: place as a share of its crop, and whether it was seen."""
    pose, about = samples.pose(sample), samples.clips.sample(sample.number)
    points, sure = component(pose, HAND_OF[side])
    boxes = about.boxes[f"{side}_hand"]
    if boxes is None:
        return np.zeros((*points.shape[:2], 3), np.float32)
    left, top, right, _ = about.picture
    scale = (right - left) / about.width
    clip = (points[..., :2] - (left, top)) / scale  # pixels of the clip, which boxes are in
    box = np.asarray(boxes, np.float32)
    places = (clip - box[:, None, :2]) / (box[:, 2:] - box[:, :2])[:, None]
    return np.concatenate([places, (sure > 0)[..., None]], axis=-1).astype(np.float32)
