"""What the encoder makes of the pictures of a sample: one embedding for the full picture and for each hand, per frame.

The encoder is CLIP's vision tower with its projection (Radford et al., 2021), or a small one of the same shape
(`models.synthesis.encoder`). Embeddings have length sqrt(D), so that each of their numbers is about 1. They are kept
beside the data set as safetensors, keyed by the encoder's weights and the content of the pictures.

Shapes: N pictures, T frames, D width of the embeddings, S side of the pictures.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from models.files import read_json, replacing
from models.weights import quiet

# Of CLIP's pictures, RGB.
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_BATCH = 64


def load_encoder(folder: Path) -> Any:
    """A CLIP vision tower, or a small encoder, from a folder."""
    from transformers import CLIPVisionModelWithProjection

    from models.synthesis.encoder import SmallEncoder

    kind = read_json(folder / "config.json").get("_class_name")
    with quiet():
        made: Any = (SmallEncoder if kind == "SmallEncoder" else CLIPVisionModelWithProjection).from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    return made.eval().requires_grad_(False)


def embed(encoder: Any, pictures: Tensor) -> Tensor:
    """(N, 3, S, S) of 0 to 1, of any size -> (N, D) of length sqrt(D); gradients go through."""
    found: Tensor = encoder(prepared(encoder, pictures)).image_embeds
    return functional.normalize(found.float(), dim=-1) * found.shape[-1] ** 0.5


def prepared(encoder: Any, pictures: Tensor) -> Tensor:
    """Pictures as the encoder takes them."""
    side = int(encoder.config.image_size)
    if pictures.shape[-1] != side:
        pictures = functional.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(one, device=pictures.device).reshape(3, 1, 1) for one in (_MEAN, _STD))
    return ((pictures - mean) / std).to(encoder.dtype)


def embed_all(encoder: Any, pictures: Tensor) -> Tensor:
    """(N, 3, S, S) uint8 -> (N, D) float32 on the CPU, in batches."""
    device = next(encoder.parameters()).device
    with torch.inference_mode():
        parts = [embed(encoder, part.to(device).float() / 255).cpu() for part in pictures.split(_BATCH)]
    return torch.cat(parts)


def mark(folder: Path) -> str:
    """Of an encoder's weights and settings: another encoder has another one."""
    made = hashlib.sha256()
    for path in sorted((*folder.glob("*.safetensors"), folder / "config.json")):
        made.update(path.name.encode())
        with path.open("rb") as file:
            made.update(hashlib.file_digest(file, "sha256").digest())
    return made.hexdigest()[:12]


def motion_of(encoder: Any, views: tuple[Tensor, Tensor, Tensor], cache: Path) -> Tensor:
    """(T, 3, D) of the full picture and both hands, each (3, T, S, S) uint8; taken from the cache where it is there.

    cache: a folder for this encoder.
    """
    content = hashlib.sha256()
    for view in views:
        content.update(str(tuple(view.shape)).encode())
        content.update(view.contiguous().numpy().tobytes())
    path = cache / f"{content.hexdigest()[:24]}.safetensors"
    if path.is_file():
        return load_file(path)["motion"].float()
    made = torch.stack([embed_all(encoder, view.transpose(0, 1)) for view in views], dim=1)
    with replacing(path) as temporary:
        save_file({"motion": made.half().contiguous()}, temporary)
    return made.half().float()
