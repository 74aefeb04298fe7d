"""All pictures of an evaluation, as files in its folder and for its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.figures import Picture, write
from models.recognition.four_stage import figures, gradcam
from models.recognition.four_stage.batches import Batches
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.stage_metrics import Judged
from models.training.run import Tell


def draw_pictures(
    made: Mapping[str, Any],
    found: Sequence[Judged],
    batches: Batches,
    model: FourStage,
    metrics: Sequence[Mapping[str, Any]],
    folder: Path,
    tell: Tell | None = None,
) -> list[Picture]:
    """Draw and write every picture. made: what `measured` gave; batches: of the clips of `found`, in their order."""
    best, worst = examples(made["sentences"], 1)
    chosen = list(dict.fromkeys([*best, *worst]))
    drawn: list[Picture | None] = []
    for place, number in enumerate(chosen, start=1):
        if tell is not None:
            tell("Drawing the pictures", place - 1, len(chosen) + 1)
        clip, video = found[number], batches.plain([number]).video[0]
        frames = video.permute(0, 2, 3, 1).numpy()
        drawn.append(figures.attention(clip, model.glosses, f"attention-{place}"))
        drawn.append(figures.keyframes(clip, frames, f"keyframes-{place}"))
        drawn.append(figures.looked_at(clip, gradcam.seen(model, video), frames, f"grad-cam-{place}"))
    drawn.append(figures.confusion(made["confusions"], model.glosses))
    drawn += [figures.losses(metrics), figures.gradient_norms(metrics)]
    drawn.append(figures.model_diagram(model, batches.plain([chosen[0]]).video[0]))
    kept = [one for one in drawn if one is not None]
    write(kept, folder)
    return kept


def examples(sentences: Sequence[Mapping[str, Any]], most: int) -> tuple[list[int], list[int]]:
    """Numbers of the sentences with fewest errors for their length, the longest first, and of others with most."""

    def rate(number: int) -> float:
        return float(sentences[number]["errors"] / len(sentences[number]["reference"]))

    places = range(len(sentences))
    best = sorted(places, key=lambda one: (rate(one), -len(sentences[one]["reference"]), one))[:most]
    worst = sorted(places, key=lambda one: (-rate(one), -len(sentences[one]["reference"]), one))
    return best, [one for one in worst if one not in best and sentences[one]["errors"]][:most]
