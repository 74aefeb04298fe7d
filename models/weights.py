"""Where weights come from: one table of what can be used, a folder of one's own, and the hub's cache.

Nothing here touches the network but `pull`. Weights are looked for as `FOLDER/<name>` in the folder that is given or
that SIGN_STUDIO_WEIGHTS names, then in the cache of huggingface_hub. Only safetensors are read; nothing unpickles.

Revisions are branches or pull requests, not commits: the project has been built where no hub could be reached, and a
commit that nobody has looked at would be a promise that nobody kept. `pull --revision` takes a commit.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.errors import WeightsError
from models.files import safe_name

FOLDER_VARIABLE = "SIGN_STUDIO_WEIGHTS"
_PUPPET = "the puppet engine needs none"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One set of weights on the hub."""

    name: str
    """What it is called here, and its folder in a weights folder."""
    hub_id: str
    used_for: str
    licence: str
    """As its authors name it; read it on the model's page before you publish what you make."""
    files: tuple[str, ...] = ("*.safetensors", "*.json", "*.txt")
    """Patterns of what is fetched."""
    needs: str = "*.safetensors"
    """A pattern of which one file at least has to be there, at any depth."""
    size_mb: int
    """About how much is fetched, megabytes."""
    revision: str = "main"
    without: str = ""
    """What works without them, as the end of a sentence; empty when nothing else does the same."""


_RAIL = "CreativeML OpenRAIL-M: use for harm, deception and a list of other uses is ruled out"
_CLIP_LICENCE = (
    "MIT (that of the CLIP repository); the models' card puts deployed use and surveillance out of its scope"
)
_SD_FILES = (
    "model_index.json",
    *(f"{part}/*.json" for part in ("scheduler", "text_encoder", "tokenizer", "unet", "vae", "feature_extractor")),
    "tokenizer/*.txt",
    "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
)
_ALL = (
    Weights(
        name="stable-diffusion-v1-5",
        hub_id="stable-diffusion-v1-5/stable-diffusion-v1-5",
        used_for="both diffusion engines: the picture itself; base actions, the preset full",
        licence=_RAIL,
        files=_SD_FILES,
        needs="unet/*.safetensors",
        size_mb=4270,
        without=_PUPPET,
    ),
    Weights(
        name="controlnet-openpose",
        hub_id="lllyasviel/control_v11p_sd15_openpose",
        used_for="both diffusion engines: the pose",
        licence="OpenRAIL (as Stable Diffusion v1)",
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        size_mb=1450,
        without=_PUPPET,
    ),
    Weights(
        name="animatediff",
        hub_id="guoyww/animatediff-motion-adapter-v1-5-3",
        used_for="the AnimateDiff engine: motion; base actions, the preset full",
        licence="Apache-2.0 (that of the AnimateDiff repository)",
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        size_mb=1670,
        without=_PUPPET,
    ),
    Weights(
        name="ip-adapter",
        hub_id="h94/IP-Adapter",
        used_for="identity: plus for the whole picture, plus-face for the face",
        licence="Apache-2.0",
        files=(
            "models/ip-adapter-plus_sd15.safetensors",
            "models/ip-adapter-plus-face_sd15.safetensors",
            "models/image_encoder/config.json",
            "models/image_encoder/model.safetensors",
        ),
        needs="models/*.safetensors",
        size_mb=2720,
        without=_PUPPET,
    ),
    Weights(
        name="lcm-lora",
        hub_id="latent-consistency/lcm-lora-sdv1-5",
        used_for="4 to 8 steps instead of 20 (scheduler lcm)",
        licence="OpenRAIL++",
        files=("pytorch_lora_weights.safetensors",),
        size_mb=135,
        without=_PUPPET,
    ),
    Weights(
        name="tcd-lora",
        hub_id="h1t/TCD-SD15-LoRA",
        used_for="4 to 8 steps instead of 20 (scheduler tcd)",
        licence="see the model's page",
        files=("pytorch_lora_weights.safetensors",),
        size_mb=135,
        without=_PUPPET,
    ),
    Weights(
        name="animatelcm",
        hub_id="wangfuyun/AnimateLCM",
        used_for="few steps in the AnimateDiff engine (in place of animatediff)",
        licence="see the model's page",
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        size_mb=1820,
        without=_PUPPET,
    ),
    Weights(
        name="taesd",
        hub_id="madebyollin/taesd",
        used_for="a small decoder for previews",
        licence="MIT",
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        size_mb=10,
        without=_PUPPET,
    ),
    Weights(
        name="safety-checker",
        hub_id="CompVis/stable-diffusion-safety-checker",
        used_for="blackens pictures that it takes for unsafe",
        licence="see the model's page",
        files=("config.json", "model.safetensors", "preprocessor_config.json"),
        size_mb=1220,
        without=_PUPPET,
    ),
    Weights(
        name="resnet-50",
        hub_id="microsoft/resnet-50",
        used_for="the four-stage recognizer: frames",
        licence="Apache-2.0",
        files=("config.json", "model.safetensors"),
        size_mb=103,
    ),
    Weights(
        name="bert-base-uncased",
        hub_id="google-bert/bert-base-uncased",
        used_for="the four-stage recognizer: glosses",
        licence="Apache-2.0",
        files=("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"),
        size_mb=441,
    ),
    Weights(
        name="resnet-34",
        hub_id="microsoft/resnet-34",
        used_for="the multi-stream recognizer: the whole picture",
        licence="Apache-2.0",
        files=("config.json", "model.safetensors"),
        size_mb=87,
    ),
    Weights(
        name="mobilenet-v2",
        hub_id="google/mobilenet_v2_1.0_224",
        used_for="the multi-stream recognizer: objects",
        licence="see the model's page",
        files=("config.json", "model.safetensors"),
        size_mb=14,
    ),
    Weights(
        name="controlnet-mediapipe",
        hub_id="sign/sd-controlnet-mediapipe",
        used_for="another ControlNet, for MediaPipe's own skeletons",
        licence="see the model's page",
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        size_mb=1450,
        without=_PUPPET,
    ),
    Weights(
        name="clip-vit-large-patch14",
        hub_id="openai/clip-vit-large-patch14",
        used_for="base actions, the preset full: what is seen of the samples",
        licence=_CLIP_LICENCE,
        files=("config.json", "model.safetensors"),
        size_mb=1710,
    ),
    Weights(
        name="clip-vit-base-patch32",
        hub_id="openai/clip-vit-base-patch32",
        used_for="base actions: the same, smaller",
        licence=_CLIP_LICENCE,
        files=("config.json", "model.safetensors"),
        size_mb=605,
        revision="refs/pr/15",  # its main branch has a pickle only; other projects take the safetensors from here, too
    ),
    Weights(
        name="vgg16",
        hub_id="timm/vgg16.tv_in1k",
        used_for="base actions, training: the perceptual loss",
        licence="BSD-3-Clause",
        files=("config.json", "model.safetensors"),
        size_mb=553,
    ),
    Weights(
        name="fid-inception",
        hub_id="nikhilr01/sen-bridge-weights",
        used_for="base actions, evaluation: FID",
        licence="Apache-2.0 (TensorFlow's weights, by way of pytorch-fid)",
        files=("fid_inception.safetensors",),
        size_mb=96,
    ),
    Weights(
        name="dinov2-small",
        hub_id="facebook/dinov2-small",
        used_for="base actions, training: another perceptual loss",
        licence="Apache-2.0",
        files=("config.json", "model.safetensors"),
        size_mb=88,
    ),
)
TABLE: Mapping[str, Weights] = MappingProxyType({weights.name: weights for weights in _ALL})
"""Everything that the studio can use, by name."""


def find(name: str, folder: Path | None = None) -> Path:
    """The folder with these weights. Raises WeightsError, which says what to do, when they are not on this machine."""
    weights = _entry(name)
    for root in filter(None, (folder, _own_folder())):
        found = root / name
        if found.is_dir():
            _check(weights, found)
            return found
    cached = _cached(weights)
    if cached is None:
        raise WeightsError(
            f"The weights {name} ({weights.hub_id}, {weights.size_mb} MB) are not on this machine; fetch them with "
            f"`signstudio weights pull {name}`, or put them into a folder {name} in the one that {FOLDER_VARIABLE} "
            f"names{_otherwise(weights)}."
        )
    return cached


def here(name: str, folder: Path | None = None) -> bool:
    """Whether the weights are on this machine, whole as far as file names tell."""
    try:
        find(name, folder)
    except WeightsError:
        return False
    return True


def pull(name: str, folder: Path | None = None, revision: str | None = None) -> Path:
    """Fetch weights from the hub, into `folder` or, without one, into the hub's cache; goes on where it was cut off.

    Raises WeightsError when the hub cannot be reached or wants a login, the disk is full, or the folder is read-only.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    weights = _entry(name)
    root = folder or _own_folder()
    try:
        path = snapshot_download(
            weights.hub_id,
            revision=revision or weights.revision,
            allow_patterns=list(weights.files),
            local_dir=None if root is None else root / name,
        )
    except GatedRepoError as error:
        raise WeightsError(
            f"{weights.hub_id} wants you to accept its terms: do so on its page, then `hf auth login`, and try again."
        ) from error
    except RepositoryNotFoundError as error:
        raise WeightsError(
            f"{weights.hub_id} is not on the hub any more, or wants a login: `hf auth login`."
        ) from error
    except OSError as error:  # HfHubHTTPError, LocalEntryNotFoundError and ConnectionError are such, too
        raise WeightsError(f"{name} could not be fetched: {_reason(error)}{_otherwise(weights)}.") from error
    found = Path(path)
    _check(weights, found)
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars or remarks of the libraries while they load and save: the studio has its own."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    levels = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(levels[0])
        transformers_logging.set_verbosity(levels[1])


def _reason(error: OSError) -> str:
    """Why a download failed, and what to do."""
    if error.errno == errno.ENOSPC:
        return "the disk is full; make room, and try again"
    if isinstance(error, PermissionError):
        return "its folder cannot be written; choose another one"
    return "the hub cannot be reached; try again later"


def _otherwise(weights: Weights) -> str:
    return f"; {weights.without}" if weights.without else ""


def _entry(name: str) -> Weights:
    if name not in TABLE:
        raise WeightsError(f"There are no weights {name!r}; choose one of {', '.join(TABLE)}.")
    return TABLE[name]


def _own_folder() -> Path | None:
    path = os.environ.get(FOLDER_VARIABLE)
    return Path(path) if path else None


def _cached(weights: Weights) -> Path | None:
    # Late: half a second.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        path = Path(snapshot_download(weights.hub_id, revision=weights.revision, local_files_only=True))
        _check(weights, path)
    except (LocalEntryNotFoundError, HFValidationError, WeightsError, FileNotFoundError):
        return None
    return path


def _check(weights: Weights, folder: Path) -> None:
    if any(folder.glob(weights.needs)) or any(folder.rglob(weights.needs)):
        return
    if any(path.suffix in (".bin", ".ckpt", ".pt", ".pth") for path in folder.rglob("*")):
        raise WeightsError(
            f"{safe_name(folder)}: there are only pickled weights, which can run any program when they are loaded; "
            f"fetch the safetensors with `signstudio weights pull {weights.name}`."
        )
    raise WeightsError(
        f"{safe_name(folder)}: no {weights.needs} is in it; fetch it again: `signstudio weights pull {weights.name}`."
    )
