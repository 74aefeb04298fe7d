"""How good the base action model of a run is on samples that it was not trained on: RUN/evaluation/evaluation.json,
report.html and its figures.

Judged is what is generated for each sample of a split, by judges that learned from real clips only
(`models.synthesis.judges`), beside what they say of the real clips. Ablations and comparisons, which say whether the
motion is in the embeddings at all, are made on some samples of each word.
"""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.data.splits import SPLITS
from models.data.word_samples import middles
from models.data.work import fingerprint
from models.errors import SignError
from models.files import safe_name, write_json
from models.model_folder import DESCRIPTION, WEIGHTS
from models.synthesis.config import BaseActionTraining
from models.synthesis.evaluated_clips import (
    COMPARED,
    GENERATED,
    OF_WORDS,
    Bench,
    Measured,
    measure_sample,
    measure_word,
    possible,
)
from models.synthesis.features import mark as mark_of
from models.synthesis.inception import NAME as INCEPTION
from models.synthesis.inception import load_inception
from models.synthesis.judges import judges_of
from models.synthesis.metrics import FID, frechet_report, interval_95, mean_of
from models.synthesis.pipeline import BaseActionPipeline
from models.synthesis.prepared import FOLDER
from models.synthesis.samples import Samples, WordSample
from models.synthesis.sampling import SamplingOptions, settled
from models.training import Run
from models.training.config import from_dict, to_dict
from models.training.run import Tell
from models.weights import find, here

EVALUATION, REPORT = "evaluation.json", "report.html"
Values = dict[str, Any]
AIM = 0.80
"""Share of the generated clips that should be taken for their word."""
JUDGE_AIM = 0.97
"""Share of the real clips that the judge of words has to get right for its word to count."""
PER_WORD = 1
"""Samples of each word that the ablations and comparisons are made of."""
_FIGURES = ("psnr_db", "ssim", "similarity", "hand_distance_palms", "hands_found", "seconds")
_TEMPORAL = ("warping_error", "warping_error_real", "flicker", "flicker_real", "liveliness")


def evaluate(
    run: Run,
    split: str = "test",
    *,
    command: str = "",
    tell: Tell | None = None,
    limit: int | None = None,
    options: SamplingOptions | None = None,
    weights: Path | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Values:
    """Judge the model in RUN/model on a split of the data that the run was trained on, and write RUN/evaluation.

    command: what the page says that it was made by. limit: samples at most, spread evenly over the split. weights:
    where published ones are looked for first. What was judged before an interruption is not judged again.
    Raises SignError when the run has no model, its data is gone, or no sample is in the split; Cancelled.
    """
    config, data = _about(run)
    samples = Samples(data, config.model)
    held = held_out(samples, split, limit)
    pipeline = BaseActionPipeline.from_pretrained(run.model, weights)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipeline.to(device)
    bench = _bench(run, pipeline, samples, settled(options or SamplingOptions(), pipeline.config), weights, tell)
    found = _judged(bench, held, tell, should_stop)
    made = measured(found, bench)
    made |= {
        "data": _told_data(held, samples, split, pipeline.drawn),
        "model": _told_model(pipeline, run),
        "sampling": vars(bench.options),
        "command": command or f"signstudio base evaluate {run.folder.name}",
        "config": to_dict(config),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    write_json(run.evaluation / EVALUATION, made)
    # Late: matplotlib takes a second.
    from models.synthesis.evaluation_figures import draw_figures
    from models.synthesis.evaluation_page import write_page

    write_page(made, draw_figures(made, found, run.evaluation), run.evaluation / REPORT)
    return made


def held_out(samples: Samples, split: str, limit: int | None = None) -> tuple[WordSample, ...]:
    """The samples that are judged. Raises SignError when there is none."""
    if split not in SPLITS:
        raise SignError(f"There is no split {split!r}; choose train, val or test.")
    if limit is not None and limit < 1:
        raise SignError(f"{limit} samples were asked for; give at least 1.")
    found = samples.of(split)
    if not found:
        raise SignError(
            f"No sample of {safe_name(samples.data)} is in the split {split}; choose another, or add samples and run "
            "`signstudio data words` again."
        )
    known = {one.word for one in samples.of("train")}
    strange = sorted({one.word for one in found} - known)
    if strange:
        raise SignError(
            f"{len(strange)} words of the split {split} have no training sample, such as {strange[0]}; the data has "
            "to be split so that every word is in train."
        )
    if limit is None or limit >= len(found):
        return found
    return tuple(found[place] for place in middles(len(found), limit))


def measured(found: Mapping[str, Sequence[Measured]], bench: Bench) -> Values:
    """Every number of the evaluation. found: by variant."""
    own, real = found["own"], found["real"]
    rows = [one.row for one in own]
    signers = [row["signer"] for row in rows]
    right = [float(row["said"] == row["word"]) for row in rows]
    share, of_real = (float(np.mean(one)) for one in (right, [one.row["said"] == one.row["word"] for one in real]))
    return {
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "right": share,
        "right_interval_95": interval_95(right, [row["signer"] or row["sample"] for row in rows]),
        "right_of_real": of_real,
        "aim": AIM,
        # A judge that does not know the real clips cannot say that the generated ones are right.
        "aim_met": share >= AIM and of_real >= JUDGE_AIM,
        "hands_read_by": bench.reader,
        "variants": {name: _summed(group) for name, group in found.items() if group},
        "temporal": {name: mean_of(rows, name) for name in _TEMPORAL},
        "frechet": frechet_report(
            [one.features for one in real],
            [one.features for one in own],
            f"embeddings of {_encoder(bench)}",
            signers,
        ),
        "fid": None
        if bench.inception is None
        else frechet_report([one.inception for one in real], [one.inception for one in own], "", signers, measure=FID),
        "per_signer": _grouped(rows, "signer"),
        "per_word": _grouped(rows, "word"),
        "confusions": [
            {"word": word, "said": said, "count": count}
            for (word, said), count in sorted(Counter((row["word"], row["said"]) for row in rows).items())
        ],
        "words": list(bench.judges.words),
        "clips": [one.row for group in found.values() for one in group],
    }


def _judged(
    bench: Bench, held: Sequence[WordSample], tell: Tell | None, should_stop: Callable[[], bool] | None
) -> dict[str, list[Measured]]:
    """Every variant of the samples that it is made of."""
    some = _some(held)
    chosen = {name: held if name in ("own", "real") else some for name in (*COMPARED, *GENERATED)}
    jobs = [(name, sample) for name, of in chosen.items() for sample in of if possible(bench, sample, name, held)]
    words = [word for word in sorted({one.word for one in held}) if word in bench.pipeline.words]
    total, done = len(jobs) + len(OF_WORDS) * len(words), 0
    found: dict[str, list[Measured]] = {name: [] for name in (*COMPARED, *GENERATED, *OF_WORDS)}

    def count() -> None:
        nonlocal done
        done += 1
        if tell is not None:
            tell("Generating and judging clips", done, total)

    for name, sample in jobs:
        found[name].append(measure_sample(bench, sample, name, held, should_stop))
        count()
    for name in OF_WORDS:
        for word in words:
            found[name].append(measure_word(bench, word, name, should_stop))
            count()
    return found


def _some(held: Sequence[WordSample]) -> list[WordSample]:
    """PER_WORD samples of each word, of different signers from word to word."""
    kept: list[WordSample] = []
    for number, word in enumerate(sorted({one.word for one in held})):
        of_word = [one for one in held if one.word == word]
        count = min(PER_WORD, len(of_word))
        kept += [of_word[(number + place) % len(of_word)] for place in range(count)]
    return kept


def _summed(group: Sequence[Measured]) -> Values:
    """A row of the table of variants."""
    rows = [one.row for one in group]
    return {
        "clips": len(rows),
        "right": float(np.mean([row["said"] == row["word"] for row in rows])),
        "right_as_told": float(np.mean([row["said"] == row["told_word"] for row in rows])),
        **{name: mean_of(rows, name) for name in _FIGURES},
    }


def _grouped(rows: Sequence[Mapping[str, Any]], by: str) -> Values:
    made = {}
    for name in sorted({row[by] for row in rows}):
        of = [row for row in rows if row[by] == name]
        made[name] = {
            "clips": len(of),
            "right": float(np.mean([row["said"] == row["word"] for row in of])),
            **{figure: mean_of(of, figure) for figure in _FIGURES[:-1]},
        }
    return made


def _bench(
    run: Run,
    pipeline: BaseActionPipeline,
    samples: Samples,
    options: SamplingOptions,
    weights: Path | None,
    tell: Tell | None,
) -> Bench:
    scratch = pipeline.config.start == "scratch"
    encoder = run.model / "encoder" if scratch else find(pipeline.config.encoder, weights)
    judges = judges_of(samples, tell)
    inception = load_inception(weights) if here(INCEPTION, weights) else None
    return Bench(
        pipeline=pipeline,
        samples=samples,
        judges=judges,
        options=options,
        features=samples.data / FOLDER / f"features-{mark_of(encoder)}",
        clips=run.evaluation / "clips",
        inception=inception,
        mark=fingerprint(
            [_digest(run.model / name) for name in (WEIGHTS, DESCRIPTION)],
            vars(options),
            judges.mark,
            inception is not None,
        ),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _about(run: Run) -> tuple[BaseActionTraining, Path]:
    about = run.config()
    try:
        return from_dict(BaseActionTraining, about["config"]), Path(about["data"])
    except (KeyError, TypeError) as error:
        raise SignError(
            f"{safe_name(run.folder)}/config.json does not say what was trained, or on what ({error})."
        ) from error


def _encoder(bench: Bench) -> str:
    name = bench.pipeline.config.encoder
    return "the model's own small encoder, trained on this data" if name == "small" else name


def _told_data(held: Sequence[WordSample], samples: Samples, split: str, drawn: bool) -> Values:
    trained = {one.signer for one in samples.of("train")}
    signers = {one.signer for one in held}
    return {
        "folder": samples.data.name,
        "split": split,
        "samples": len(held),
        "signers": len(signers - {""}),
        "words": len({one.word for one in held}),
        "signers_known_from_training": len((signers & trained) - {""}),
        "size": samples.clips.size,
        "frames": samples.num_frames,
        "drawn": drawn,
    }


def _told_model(pipeline: BaseActionPipeline, run: Run) -> Values:
    best = run.status().best
    return {
        "kind": "base-action",
        "run": run.folder.name,
        "name": str(run.config().get("name") or run.folder.name),
        "parameters": sum(one.numel() for one in pipeline.model.parameters()),
        "trained_on": pipeline.trained_on,
        "words": len(pipeline.words),
        "step": None if best is None else best.step,
    }
