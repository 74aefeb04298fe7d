"""Loading diffusers' pipelines from weights on this machine, with the chosen scheduler, adapters and memory options.

Heavy imports happen inside the functions: torch and diffusers take seconds, and most of the studio needs neither.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.animation.diffusion.options import DiffusionOptions
from models.errors import SignError, WeightsError
from models.weights import find, here, quiet

Image = NDArray[np.uint8]
Kind = Literal["controlnet", "animatediff"]
_LORAS = {"lcm": "lcm-lora", "tcd": "tcd-lora"}
_log = logging.getLogger(__name__)


def needed(kind: Kind, options: DiffusionOptions) -> tuple[str, ...]:
    """Names of the weights that a run needs."""
    few = options.scheduler in _LORAS
    names = ["stable-diffusion-v1-5", "controlnet-openpose"]
    if kind == "animatediff":
        names.append("animatelcm" if options.scheduler == "lcm" else "animatediff")
    if few and not (kind == "animatediff" and options.scheduler == "lcm"):
        names.append(_LORAS[options.scheduler])
    if options.ip_adapter != "none":
        names.append("ip-adapter")
    if options.tiny_vae:
        names.append("taesd")
    return tuple(names)


def load(kind: Kind, options: DiffusionOptions, folder: Path | None = None) -> Any:
    """A diffusers pipeline, ready to draw, from weights in `folder` or wherever `weights.find` finds them.

    Raises WeightsError when weights are missing or broken, SignError when a package or the memory is missing.
    """
    import torch
    from diffusers import ControlNetModel

    found = {name: find(name, folder) for name in needed(kind, options)}
    device, dtype = chosen_device(options)
    local = {"dtype": dtype, "local_files_only": True, "use_safetensors": True}
    with quiet(), readable(found):
        controlnet = ControlNetModel.from_pretrained(found["controlnet-openpose"], **local)
        parts: dict[str, Any] = {"controlnet": controlnet, **_safety(options, kind, folder, local)}
        if kind == "animatediff":
            parts["motion_adapter"] = _motion(found, local)
        pipe = _class(kind).from_pretrained(found["stable-diffusion-v1-5"], **parts, **local)
        pipe.scheduler = scheduler(options, pipe.scheduler)
        _adapters(pipe, kind, options, found)
        if options.tiny_vae:
            from diffusers import AutoencoderTiny

            pipe.vae = AutoencoderTiny.from_pretrained(found["taesd"], **local)
    pipe.set_progress_bar_config(disable=True)
    _spare_memory(pipe, options, torch.device(device))
    _reuse(pipe, options)
    if options.compile:
        pipe.unet.compile()
    return pipe


def chosen_device(options: DiffusionOptions) -> tuple[str, Any]:
    """Where and in which precision to compute: half precision on an accelerator, single on a CPU."""
    import torch

    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.device(device)
    except RuntimeError as error:
        raise SignError(f"There is no device {device!r}; choose auto, cpu, cuda or mps.") from error
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SignError("There is no CUDA device on this machine; choose the device auto or cpu.")
    names = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
    auto = torch.float32 if device == "cpu" else torch.float16
    if options.dtype == "fp16" and device == "cpu":
        raise SignError("fp16 is not computed on a CPU; choose bf16 or fp32.")
    return device, names.get(options.dtype, auto)


def scheduler(options: DiffusionOptions, before: Any) -> Any:
    """The chosen scheduler with the training settings of the one that came with the weights."""
    import diffusers

    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "unipc": (diffusers.UniPCMultistepScheduler, {}),
        "ddim": (diffusers.DDIMScheduler, {}),
        "euler": (diffusers.EulerDiscreteScheduler, {"timestep_spacing": "trailing"}),
        "dpm": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
        "lcm": (diffusers.LCMScheduler, {}),
        "tcd": (diffusers.TCDScheduler, {}),
    }
    kind, changes = kinds[options.scheduler]
    return kind.from_config(before.config, **changes)


@contextmanager
def readable(found: dict[str, Path]) -> Iterator[None]:
    """What diffusers says of broken weights, as a sentence."""
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        names = ", ".join(found)
        first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WeightsError(
            f"Weights are broken or of another kind ({first}); fetch them again: `signstudio weights pull` {names}."
        ) from error


@contextmanager
def enough_memory() -> Iterator[None]:
    """What torch says when memory runs out, as a sentence."""
    import torch

    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise SignError(_NO_MEMORY) from error
    except RuntimeError as error:
        if "out of memory" in str(error).lower() or "can't allocate memory" in str(error).lower():
            raise SignError(_NO_MEMORY) from error
        raise


_NO_MEMORY = (
    "The memory does not suffice for this picture; lower the side or the batch, switch on CPU offload or attention "
    "slicing, or use the puppet."
)


def interruptible(should_stop: Callable[[], bool] | None) -> Callable[..., Any]:
    """A callback for the end of each step that ends the run between two steps."""

    def step(pipe: Any, _index: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        if should_stop is not None and should_stop():
            pipe._interrupt = True
        return values

    return step


def _class(kind: Kind) -> Any:
    import diffusers

    return {
        "controlnet": diffusers.StableDiffusionControlNetImg2ImgPipeline,
        "animatediff": diffusers.AnimateDiffVideoToVideoControlNetPipeline,
    }[kind]


def _motion(found: dict[str, Path], local: dict[str, Any]) -> Any:
    from diffusers import MotionAdapter

    return MotionAdapter.from_pretrained(found.get("animatelcm") or found["animatediff"], **local)


def _safety(options: DiffusionOptions, kind: Kind, folder: Path | None, local: dict[str, Any]) -> dict[str, Any]:
    """The safety checker where it is wanted and here; AnimateDiff's pipeline has no place for one."""
    if kind == "animatediff":
        return {}
    if not options.safety_checker or not here("safety-checker", folder):
        if options.safety_checker:
            _log.warning("The safety checker's weights are not here; pictures are not checked.")
        return {"safety_checker": None, "requires_safety_checker": False}
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPImageProcessor

    path = find("safety-checker", folder)
    return {
        "safety_checker": StableDiffusionSafetyChecker.from_pretrained(path, **local),
        "feature_extractor": CLIPImageProcessor.from_pretrained(path, local_files_only=True),
    }


def _adapters(pipe: Any, kind: Kind, options: DiffusionOptions, found: dict[str, Path]) -> None:
    lora = _LORAS.get(options.scheduler, "")
    if lora in found:
        pipe.load_lora_weights(
            str(found[lora]), weight_name="pytorch_lora_weights.safetensors", adapter_name=lora, local_files_only=True
        )
        pipe.fuse_lora()
    if options.ip_adapter != "none":
        pipe.load_ip_adapter(
            str(found["ip-adapter"]),
            subfolder="models",
            weight_name=f"ip-adapter-{options.ip_adapter}_sd15.safetensors",
            local_files_only=True,
        )
        pipe.set_ip_adapter_scale(options.ip_adapter_scale)


def _spare_memory(pipe: Any, options: DiffusionOptions, device: Any) -> None:
    if options.attention_slicing:
        pipe.enable_attention_slicing()
    if options.vae_slicing and hasattr(pipe.vae, "enable_slicing"):
        pipe.vae.enable_slicing()
    if options.cpu_offload:
        if device.type == "cpu":
            raise SignError(
                "CPU offload moves parts to the CPU while they wait; without a GPU there is nothing to move."
            )
        pipe.enable_model_cpu_offload(device=device)
    else:
        with enough_memory():
            pipe.to(device)


def _reuse(pipe: Any, options: DiffusionOptions) -> None:
    """DeepCache (Ma et al., CVPR 2024): inner features change little from step to step, so they are kept for some."""
    if options.cache_interval == 1:
        return
    try:
        from DeepCache import DeepCacheSDHelper
    except ImportError as error:
        raise SignError("Reusing inner layers needs the package DeepCache: `pip install DeepCache`.") from error
    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(cache_interval=options.cache_interval, cache_branch_id=0)
    helper.enable()
