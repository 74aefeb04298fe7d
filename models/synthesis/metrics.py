"""How near a generated video is to the real one: pictures, features of pictures, and how both move.

Videos are (T, S, S, 3) uint8 RGB of the same T and S, unless said otherwise; all sums are in floating point, because
differences of uint8 wrap around. Grey levels are of 255.

Sources: SSIM of Wang et al. (2004) and PSNR by torchmetrics; the Fréchet distance of Heusel et al. (2017) on whatever
features are given, which is FID only with those of the Inception network; the warping error of Lai et al., "Learning
Blind Video Temporal Consistency" (ECCV 2018), on grey levels, with DIS flow and the occlusion test of Sundaram et al.
(ECCV 2010).

Shapes: T frames, S side, N feature vectors, D their width.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Video = NDArray[np.uint8]
Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
Features = NDArray[np.floating]

FID = "FID"
"""Of features of the Inception network that it is defined on, and of no others."""
STILL_LEVELS = 2.0
"""Where no colour of the real video changes by more than this from frame to frame, it counts as still."""
FLOW_PX = 256
"""Side at which flow is computed: enough for flicker, and flow costs by the pixel."""
_FLOW = cv2.DISOPTICAL_FLOW_PRESET_FAST


def psnr(real: Video, made: Video) -> float:
    """Peak signal-to-noise ratio of a whole video, dB; infinite for the same video."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(_tensor(made), _tensor(real), data_range=255.0))


def ssim(real: Video, made: Video) -> float:
    """Structural similarity, mean over the frames; 1 is the same."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    found = structural_similarity_index_measure(_tensor(made), _tensor(real), data_range=255.0)
    assert not isinstance(found, tuple)
    return float(found)


def similarity(real: Features, made: Features) -> float:
    """Mean cosine of the features (T, D) of a frame to those of the same frame."""
    one, other = _unit(real), _unit(made)
    return float((one * other).sum(axis=1).mean())


def frechet(a: Features, b: Features) -> float:
    """Fréchet distance of two Gaussians fitted to features (N, D) and (M, D). With few of them it is too large."""
    if min(len(a), len(b)) < 2:
        return float("nan")
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    spread_a, spread_b = (np.atleast_2d(np.cov(one, rowvar=False)) for one in (first, second))
    # The trace of the root of a product is the sum of the roots of its eigenvalues, which are real and not negative
    # but for rounding.
    both = np.sqrt(np.linalg.eigvals(spread_a @ spread_b).real.clip(0)).sum()
    apart = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    return float(max(0.0, apart + np.trace(spread_a) + np.trace(spread_b) - 2 * both))


def frechet_report(
    real: Sequence[Features],
    made: Sequence[Features],
    name: str,
    groups: Sequence[Hashable],
    *,
    measure: str = "Fréchet distance on {}",
) -> dict[str, Any]:
    """The Fréchet distance of generated clips to real ones, and what real clips have to other real ones.

    real, made: (T, D) of each clip; groups: of each clip, such as its signer. The floor is the distance of real clips
    of one half of the groups to real clips of the other; beside it stands that of the generated clips of one half to
    the real clips of the other, of as many frames. Both are None with fewer than two groups.
    """
    found: dict[str, Any] = {
        "measure": measure.format(name),
        "distance": frechet(np.concatenate(real), np.concatenate(made)),
        "real_frames": sum(map(len, real)),
        "generated_frames": sum(map(len, made)),
        "features": int(real[0].shape[1]),
        "half_real_to_real": None,
        "half_generated_to_real": None,
    }
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        return found
    side = {name: place % 2 for place, name in enumerate(names)}

    def halved(clips: Sequence[Features]) -> list[Features]:
        sides = [[one for one, group in zip(clips, groups, strict=True) if side[group] == half] for half in (0, 1)]
        return [np.concatenate(half) for half in sides]

    halves, drawn = halved(real), halved(made)
    found["half_real_to_real"] = frechet(*halves)
    found["half_generated_to_real"] = (frechet(drawn[0], halves[1]) + frechet(drawn[1], halves[0])) / 2
    return found


class FlickerMeter:
    """Takes consecutive frames; `error` is the mean over all pairs, in grey levels, NaN before two frames.

    The error is what is left of the difference of two frames when optical flow has explained the motion.
    """

    def __init__(self, *, occlusion: bool = False) -> None:
        """occlusion: leave out what is hidden in one of two frames, where flow says nothing."""
        self._flow = cv2.DISOpticalFlow.create(_FLOW)
        self._occlusion = occlusion
        self._before: tuple[Grey, NDArray[np.bool_]] | None = None
        self._errors: list[float] = []

    def cut(self) -> None:
        """The next frame does not follow the last one."""
        self._before = None

    def add(self, frame: Video, moving: NDArray[np.bool_] | None = None) -> None:
        """The next frame (H, W, 3), and where it is not to be looked at (H, W)."""
        scale = min(1.0, FLOW_PX / max(frame.shape[:2]))
        size = (max(16, round(frame.shape[1] * scale)), max(16, round(frame.shape[0] * scale)))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        masked = np.zeros(grey.shape, bool)
        if moving is not None:
            masked = cv2.resize(moving.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        if self._before is not None:
            before, moved = self._before
            error, hidden = self._warped(before, grey)
            counted = ~(masked | moved | hidden)
            if counted.any():
                self._errors.append(float(error[counted].mean()))
        self._before = grey, masked

    @property
    def error(self) -> float:
        """Mean absolute difference of frames after warping, grey levels."""
        return float(np.mean(self._errors)) if self._errors else float("nan")

    def _warped(self, before: Grey, now: Grey) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """What flow does not explain of a frame, and where something was hidden before."""
        flow = self._between(now, before)
        rows, columns = np.mgrid[0 : now.shape[0], 0 : now.shape[1]].astype(np.float32)
        x, y = columns + flow[..., 0], rows + flow[..., 1]
        warped = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        error = np.abs(warped.astype(np.float32) - now)
        if not self._occlusion:
            return error, np.zeros(now.shape, bool)
        back = cv2.remap(self._between(before, now), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        lengths = np.square(flow).sum(axis=-1) + np.square(back).sum(axis=-1)
        return error, np.square(flow + back).sum(axis=-1) > 0.01 * lengths + 0.5

    def _between(self, one: Grey, other: Grey) -> NDArray[np.float32]:
        return np.asarray(self._flow.calc(one, other, np.zeros((*one.shape, 2), np.float32)), np.float32)


def warping_error(video: Video) -> float:
    """Mean difference of frames to the frames before them, moved along with the flow, grey levels; without what is
    hidden in one of the two. Small for a video that stands still: beside it has to stand that of the real one."""
    meter = FlickerMeter(occlusion=True)
    for frame in video:
        # Flow needs pixels: small pictures are looked at enlarged.
        scale = max(1.0, FLOW_PX / max(frame.shape[:2]))
        meter.add(np.asarray(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8))
    return meter.error


def flicker(real: Video, made: Video) -> tuple[float, float]:
    """Mean change from frame to frame where the real video is still, grey levels: of the generated one, and of the real
    one; NaN where it never is."""
    change = np.abs(np.diff(real.astype(np.float32), axis=0)).max(axis=-1)
    still = change <= STILL_LEVELS
    if not still.any():
        return float("nan"), float("nan")
    own, other = (np.abs(np.diff(one.astype(np.float32), axis=0)).mean(axis=-1)[still].mean() for one in (made, real))
    return float(own), float(other)


def liveliness(real: Video, made: Video) -> float:
    """Mean change from frame to frame of the generated video, as a multiple of the real one's: 1 moves as much, less is
    smeared or frozen, more trembles. NaN where the real one stands still."""
    own, other = (float(np.abs(np.diff(one.astype(np.float32), axis=0)).mean()) for one in (made, real))
    return own / other if other > 0 else float("nan")


def compared(real: Video, made: Video) -> dict[str, float]:
    """All figures of two videos that need no model."""
    if real.shape != made.shape:
        raise ValueError(f"a video of {made.shape} was compared with one of {real.shape}")
    own, other = flicker(real, made)
    return {
        "psnr_db": psnr(real, made),
        "ssim": ssim(real, made),
        "warping_error": warping_error(made),
        "warping_error_real": warping_error(real),
        "flicker": own,
        "flicker_real": other,
        "liveliness": liveliness(real, made),
    }


def mean_of(rows: Sequence[Mapping[str, float | None]], name: str) -> float | None:
    """The mean of a figure over the rows that have it; None where none has."""
    values = [value for row in rows if (value := row.get(name)) is not None and np.isfinite(value)]
    return float(np.mean(values)) if values else None


def interval_95(values: Sequence[float], groups: Sequence[Hashable], draws: int = 2000) -> tuple[float, float] | None:
    """Between what the mean lies in 95 of 100 tests of this kind: groups (signers) are drawn anew with all that is
    theirs, because what one signer signs is alike. None with fewer than two groups."""
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        return None
    place = {name: number for number, name in enumerate(names)}
    of = [place[group] for group in groups]
    sums, counts = np.bincount(of, weights=values), np.bincount(of)
    drawn = np.random.default_rng(0).integers(0, len(names), (draws, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _tensor(video: Video) -> torch.Tensor:
    import torch  # late: the measures of motion are used where torch is not

    return torch.from_numpy(np.ascontiguousarray(video)).permute(0, 3, 1, 2).float()


def _unit(features: Features) -> Floats:
    given = np.asarray(features, np.float64)
    return np.asarray(given / np.maximum(np.linalg.norm(given, axis=-1, keepdims=True), 1e-12))
