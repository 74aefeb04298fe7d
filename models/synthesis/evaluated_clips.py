"""The clips of an evaluation: what is generated for each held-out sample, and what is measured on each clip.

Every clip that was measured is kept under RUN/evaluation/clips, so that an evaluation that was interrupted goes on
where it was; another model, other options or other judges measure anew.

    own           the sample's own motion, begun at its own first frame: it should show the sample again
    other_word    the motion of a sample of another word, begun at the same frame: it should show that word
    no_motion     no motion at all: what the model draws from the frame alone
    other_signer  the sample's motion, begun at the first frame of another signer: it should show the word, by them
    medoid, barycentre    of each word, as `signstudio base make` draws it
  and for comparison, what nobody has to generate:
    real          the sample itself: how good the judges are
    codec         the same through the VAE and back: no generated clip can be nearer
    still         its first frame, all the time
    mean          the mean of the word's training clips
    other_sample  a training sample of the same word

Shapes: T frames, S side of the pictures, D width of the embeddings.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pose_format import Pose
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.data.word_samples import META
from models.data.work import fingerprint
from models.files import parse_json, replacing
from models.lexicon.legibility import compare
from models.lexicon.readback import read_back
from models.synthesis.codec import decode, encode
from models.synthesis.features import motion_of
from models.synthesis.inception import Inception
from models.synthesis.inception import features as inception_features
from models.synthesis.judges import Judges
from models.synthesis.metrics import Video, compared, psnr, similarity, ssim
from models.synthesis.motion import Motion
from models.synthesis.pipeline import BaseActionPipeline
from models.synthesis.samples import Samples, WordSample
from models.synthesis.sampling import SamplingOptions
from models.synthesis.whole_pose import READABLE_PX

Row = dict[str, Any]
GENERATED = ("own", "other_word", "no_motion", "other_signer")
COMPARED = ("real", "codec", "still", "mean", "other_sample")
OF_WORDS = ("medoid", "barycentre")
THUMBNAILS, THUMBNAIL_PX = 8, 128
_MEAN_OF = 60  # training clips at most
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A clip that was measured."""

    row: Row
    """Its figures."""
    path: Path
    """Of what is kept of it."""

    @property
    def features(self) -> NDArray[np.float32]:
        """(T, D) the encoder's embeddings of its frames."""
        return self._read("features").astype(np.float32)

    @property
    def inception(self) -> NDArray[np.float32]:
        """(T, 2048) the Inception network's features of its frames; only of clips that FID is measured on."""
        return self._read("inception").astype(np.float32)

    @property
    def thumbnails(self) -> NDArray[np.uint8]:
        """(8, s, s, 3)."""
        return self._read("thumbnails").astype(np.uint8)

    def _read(self, name: str) -> NDArray[Any]:
        with safe_open(self.path, framework="np") as file:
            return np.asarray(file.get_tensor(name))


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Everything that clips are made and measured with."""

    pipeline: BaseActionPipeline
    samples: Samples
    judges: Judges
    options: SamplingOptions
    features: Path
    """Where embeddings are kept."""
    clips: Path
    """Where measured clips are kept."""
    inception: Inception | None
    """For FID, where its weights are here."""
    mark: str
    """Of the model and the judges."""

    def frames(self, sample: WordSample) -> Video:
        """(T, S, S, 3) of a sample."""
        return np.ascontiguousarray(self.samples.views(sample)[0].permute(1, 2, 3, 0).numpy())

    def motion(self, sample: WordSample) -> Motion:
        """The embeddings of a sample."""
        views = motion_of(self.pipeline.encoder, self.samples.views(sample), self.features)
        return Motion(views=views.numpy(), seen=self.samples.seen(sample).numpy(), fps=self.samples.fps(sample))

    def read(self, frames: Video, fps: float) -> Pose:
        """Where the hands are in a clip: by MediaPipe, and in pictures too small for it by a judge."""
        if frames.shape[1] >= READABLE_PX:
            return read_back(iter(frames), fps=fps)
        return self.judges.read(frames, fps)

    @property
    def reader(self) -> str:
        """Who reads the hands, in words."""
        if self.samples.clips.size >= READABLE_PX:
            return "MediaPipe Holistic"
        return "a small net that learned from the real training clips"


def measure_sample(
    bench: Bench, sample: WordSample, variant: str, others: Sequence[WordSample], stop: Callable[[], bool] | None = None
) -> Measured:
    """One variant of a held-out sample. others: held-out samples, of which another word or signer is taken."""
    partner = _partner(bench, sample, variant, others)
    key = [variant, *(None if one is None else (one.path / META).read_text("utf-8") for one in (sample, partner))]

    def make() -> tuple[Video, Row]:
        real, start = bench.frames(sample), time.perf_counter()
        made = _made(bench, sample, variant, partner, real, stop)
        seconds = time.perf_counter() - start
        row = _figures(bench, sample, variant, real, made)
        row["told_word"] = partner.word if variant == "other_word" and partner is not None else sample.word
        return made, {**row, "partner": None if partner is None else partner.signer, "seconds": seconds}

    return _kept(bench, f"{variant}/{sample.word}--{sample.path.name}", key, make)


def measure_word(bench: Bench, word: str, variant: str, stop: Callable[[], bool] | None = None) -> Measured:
    """The base action of a word, of its medoid or its barycentre."""
    known = bench.pipeline.word(word)

    def make() -> tuple[Video, Row]:
        motion, start = getattr(known, variant), time.perf_counter()
        made = bench.pipeline.generate(motion, known.reference, bench.options, should_stop=stop)
        seconds = time.perf_counter() - start
        hands = compare(word, known.pose, bench.read(made, motion.fps))
        said = bench.judges.word(made)
        return made, {
            "variant": variant,
            "sample": variant,
            "word": word,
            "told_word": word,
            "signer": "",
            "said": said,
            "hands_found": _number(hands.found()),
            "hand_distance_palms": _number(hands.distance),
            "seconds": seconds,
        }

    return _kept(bench, f"{variant}/{word}", [variant, word], make)


def _partner(bench: Bench, sample: WordSample, variant: str, others: Sequence[WordSample]) -> WordSample | None:
    """Whose motion or frame is taken; the same one every time."""
    if variant == "other_word":
        found = [one for one in others if one.word != sample.word]
    elif variant == "other_signer":
        found = [one for one in others if one.signer != sample.signer]
    elif variant == "other_sample":
        found = [one for one in bench.samples.of("train") if one.word == sample.word and one.path != sample.path]
    else:
        return None
    return found[(7 * sample.number + 3) % len(found)] if found else None


def possible(bench: Bench, sample: WordSample, variant: str, others: Sequence[WordSample]) -> bool:
    """Whether there is anything to do it with."""
    needs = variant in ("other_word", "other_signer", "other_sample")
    return not needs or _partner(bench, sample, variant, others) is not None


def _made(
    bench: Bench,
    sample: WordSample,
    variant: str,
    partner: WordSample | None,
    real: Video,
    stop: Callable[[], bool] | None,
) -> Video:
    if variant == "real":
        return real
    if variant == "codec":
        return _through_codec(bench.pipeline, real)
    if variant == "still":
        return np.repeat(real[:1], len(real), axis=0)
    if variant == "mean":
        return _mean_clip(bench, sample)
    if variant == "other_sample":
        assert partner is not None
        return bench.frames(partner)
    source = partner if variant == "other_word" and partner is not None else sample
    motion = bench.motion(source)
    if variant == "no_motion":
        motion = Motion(views=np.zeros_like(motion.views), seen=np.zeros_like(motion.seen), fps=motion.fps)
    first = bench.frames(partner)[0] if variant == "other_signer" and partner is not None else real[0]
    return bench.pipeline.generate(motion, first, bench.options, should_stop=stop)


def _through_codec(pipeline: BaseActionPipeline, frames: Video) -> Video:
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2)
    with torch.inference_mode():
        device = next(pipeline.vae.parameters()).device
        made = decode(pipeline.vae, encode(pipeline.vae, pictures.to(device).float() / 255))
    return np.asarray((made * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy(), np.uint8)


def _mean_clip(bench: Bench, sample: WordSample) -> Video:
    of_word = [one for one in bench.samples.of("train") if one.word == sample.word][:_MEAN_OF]
    total: NDArray[np.float64] | float = 0.0
    for one in of_word:
        total = total + bench.frames(one).astype(np.float64)
    return np.asarray(np.round(np.asarray(total) / max(1, len(of_word))), np.uint8)


def _figures(bench: Bench, sample: WordSample, variant: str, real: Video, made: Video) -> Row:
    row: Row = {
        "variant": variant,
        "sample": f"{sample.word}/{sample.path.name}",
        "word": sample.word,
        "signer": sample.signer,
        "said": bench.judges.word(made),
    }
    if variant != "other_signer":  # whose pictures are of somebody else
        full = variant in ("own", "codec")
        figures = compared(real, made) if full else {"psnr_db": psnr(real, made), "ssim": ssim(real, made)}
        row |= {name: _number(value) for name, value in figures.items()}
        row["similarity"] = similarity(bench.pipeline.features(real), bench.pipeline.features(made))
        hands = compare(sample.word, bench.samples.pose(sample), bench.read(made, bench.samples.fps(sample)))
        row |= {"hands_found": _number(hands.found()), "hand_distance_palms": _number(hands.distance)}
    return row


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _kept(bench: Bench, name: str, key: Sequence[object], make: Callable[[], tuple[Video, Row]]) -> Measured:
    """What was measured before, or now."""
    path, mark = bench.clips / f"{name}.safetensors", fingerprint(_VERSION, bench.mark, list(key))
    try:
        with safe_open(path, framework="np") as file:
            about = file.metadata() or {}
        if about.get("mark") == mark:
            return Measured(row=parse_json(about["row"]), path=path)
    except (FileNotFoundError, SafetensorError, ValueError):
        pass  # it is made again
    made, row = make()
    with replacing(path) as temporary:
        save_file(
            _shown(bench, row["variant"], made),
            temporary,
            metadata={"mark": mark, "row": json.dumps(row)},
        )
    return Measured(row=row, path=path)


def _shown(bench: Bench, variant: str, made: Video) -> dict[str, torch.Tensor]:
    """What is kept of a clip beside its figures."""
    kept = {
        "features": torch.from_numpy(bench.pipeline.features(made)).half(),
        "thumbnails": torch.from_numpy(_thumbnails(made)),
    }
    if bench.inception is not None and variant in ("own", "real"):
        pictures = torch.from_numpy(np.ascontiguousarray(made)).permute(0, 3, 1, 2)
        kept["inception"] = inception_features(bench.inception, pictures)
    return kept


def _thumbnails(frames: Video) -> NDArray[np.uint8]:
    chosen = frames[np.round(np.linspace(0, len(frames) - 1, THUMBNAILS)).astype(int)]
    if chosen.shape[1] > THUMBNAIL_PX:
        size = (THUMBNAIL_PX, THUMBNAIL_PX)
        chosen = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in chosen])
    return np.ascontiguousarray(chosen, np.uint8)
