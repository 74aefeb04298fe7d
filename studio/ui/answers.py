"""Values of the core as a program gets them: plain dictionaries, files among them as links that gradio serves.

A key that is there once stays; new ones may come. Times are in ms unless the name says otherwise, shares are 0..1, and
what is not there is None. A file is a file of the answer, never a path of this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradio.data_classes import FileData
from gradio_client.utils import encode_file_path

from models.animation.animate import Report
from models.animation.target import Target
from models.files import safe_name
from models.lexicon.glossline import GlossLine
from models.lexicon.performance import Segment
from models.lexicon.products import SentenceProducts
from models.pose.batch import BatchProgress
from models.pose.products import BatchProducts, Products
from models.progress import Progress
from models.recognition.exports import to_json
from models.synthesis.products import BaseActionProducts, BaseActionStep
from studio import actions
from studio.actions import ActionProducts, ActionStep
from studio.animating import Made
from studio.recognizing import BatchRecognized, Recognized, Step
from studio.teaching import Taught

Answer = dict[str, Any]
LINK = "/gradio_api/file="
"""What the link of a file begins with, and its path follows."""


def step(report: Any) -> Answer | None:
    """How far work is: {working, done, total, seconds_left}; None for a value that is no report of that."""
    match report:
        case Step(words=words, progress=progress):
            return _working(words, progress)
        case Report(step=words, progress=progress):
            return _working(words, progress)
        case Progress():
            return _working("Drawing", report)
        case (str(words), Progress() as progress):
            return _working(words, progress)
        case ActionStep(words=words, done=done, total=total):
            return {"working": words, "done": done, "total": total or None, "seconds_left": None}
        case BaseActionStep(words=words, done=done, total=total, seconds_left=left):
            return {"working": words, "done": done, "total": total, "seconds_left": left}
    return None


def _working(words: str, progress: Progress | None) -> Answer:
    if progress is None:
        return {"working": words, "done": 0, "total": None, "seconds_left": None}
    left = None if progress.seconds_left is None else round(progress.seconds_left, 1)
    return {"working": words, "done": progress.done_frames, "total": progress.total_frames, "seconds_left": left}


def pose(made: Products) -> Answer:
    """What was made of a clip."""
    return {
        "pose": file(made.pose),
        "cleaned": file(made.cleaned),
        "preview": file(made.preview),
        "openpose": file(made.openpose),
        "landmarks": file(made.csv),
        "timeline": file(made.figure_light),
        "quality": made.report.to_json(),
    }


def poses(made: BatchProducts) -> Answer:
    """How a batch stands, clip by clip."""
    clips = [
        {
            "clip": safe_name(one.clip),
            "verdict": None if one.products is None else one.products.report.verdict,
            "reasons": [] if one.products is None else list(one.products.report.reasons),
            "error": one.error,
        }
        for one in made.clips
    ]
    return {"archive": file(made.archive), "clips": clips, **_batch(made.progress)}


def recognized(made: Recognized) -> Answer:
    """What was signed in a clip."""
    return {
        **to_json(made.recognition, safe_name(made.video)),
        "captions": file(made.captions),
        "files": files(made.downloads),
    }


def recognized_many(made: BatchRecognized) -> Answer:
    """How a batch stands, clip by clip."""
    clips = [
        {"clip": one.name, "error": one.error} | ({} if one.made is None else to_json(one.made.recognition, one.name))
        for one in made.clips
    ]
    return {"archive": file(made.archive), "clips": clips, **_batch(made.progress)}


def _batch(progress: BatchProgress | None) -> Answer:
    if progress is None:
        return {"working": None, "done": None, "total": None, "seconds_left": None}
    return {
        "working": "Reading the clips",
        "done": progress.done_clips,
        "total": progress.num_clips,
        "seconds_left": progress.seconds_left,
    }


def acted(made: ActionProducts, clip: Path) -> Answer:
    """What was done in a clip."""
    return {
        **actions.values(made.seen, made.drawn, clip),
        "video": file(made.video),
        "files": files(made.downloads),
    }


def taught(made: Taught, known: dict[str, int], archive: Path | None) -> Answer:
    """What became of a sign that was taught, and every sign that this session was taught."""
    clips = [{"clip": one.name, "accepted": one.accepted, "verdict": one.verdict} for one in made.clips]
    return {
        "gloss": made.gloss,
        "accepted": made.accepted,
        "clips": clips,
        "signs": known,
        "lexicon": file(archive),
    }


def sentence(made: SentenceProducts) -> Answer:
    """A sentence that was signed."""
    return {
        "video": file(made.video),
        "pose": file(made.pose),
        "captions": file(made.captions),
        "other": file(made.other),
        "segments": segments(made.segments),
        "duration_s": made.duration_s,
    }


def drafted(line: GlossLine) -> Answer:
    """A gloss line, and what to know of how it came about."""
    return {"line": str(line), "notes": list(line.notes)}


def base_action(made: BaseActionProducts) -> Answer:
    """A word that a trained model drew."""
    return {
        "word": made.word,
        "gloss": made.gloss,
        "video": file(made.video),
        "pose": file(made.pose),
        "captions": file(made.captions),
        "sheet": file(made.sheet),
        "about": file(made.about),
        "segments": segments([made.segment]),
        "duration_s": made.num_frames / made.fps,
        "trained_on": made.trained_on,
        "notes": made.lines(),
    }


def picture(target: Target) -> Answer:
    """Who is in a picture, as boxes (left, top, right, bottom) from the left, and what would make it better."""
    return {
        "people": [[int(edge) for edge in box] for box in target.people],
        "chosen": int(target.chosen) + 1,
        "advice": list(target.advice),
    }


def animated(made: Made) -> Answer:
    """A person who was animated."""
    one = made.animation
    return {
        "video": file(one.video),
        "pose": file(one.pose),
        "captions": file(one.captions),
        "frames": file(one.frames_zip),
        "provenance": file(one.provenance),
        "segments": segments(one.segments),
        "fidelity": None if one.fidelity is None else one.fidelity.to_dict(),
        "num_frames": one.num_frames,
        "fps": one.fps,
    }


def segments(spans: Sequence[Segment]) -> list[Answer]:
    """When each gloss is signed."""
    return [{"gloss": one.gloss, "start_ms": one.start_ms, "end_ms": one.end_ms} for one in spans]


def files(paths: Sequence[Path]) -> list[Answer]:
    """Several files, with the links that gradio serves them by; inside of a dictionary it does not make any."""
    return [
        FileData(path=str(path), url=f"{LINK}{encode_file_path(str(path))}", orig_name=path.name).model_dump()
        for path in paths
    ]


def file(path: Path | None) -> Answer | None:
    """A file that was made, in the folder of gradio; None where there is none."""
    return None if path is None else files([path])[0]
