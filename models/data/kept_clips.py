"""The cut and cropped copies of the videos that `--keep-clips` asks for. Nothing else reads them.

A phase of its own in the manifest, so that asking for them later extracts nothing again; decoding twice is a small
part of what extraction takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from models.data.cuts import Cut, Source, cuts_of, decides, part_of, read_of, reading
from models.data.store import Store
from models.data.wlasl import Instance
from models.data.work import Made, Make, Task, fingerprint
from models.files import slug
from models.video import ReadOptions, VideoReader, probe
from models.video_write import write_video

CLIPS = "clips"
FORMAT = 1
"""Raised when the same video and options would give another copy than before."""


def clip_name(instance: Instance) -> str:
    """Where the cut copy of an instance's video is, in the store."""
    return f"videos/{instance.split}/{slug(instance.gloss)}/{slug(instance.video_id)}.mp4"


def clip_tasks(
    instances: Iterable[Instance],
    sources: Mapping[str, Source],
    *,
    padding: float | None,
) -> Iterator[Task]:
    """As `extract_tasks`, to write the cut copies of the videos that `--keep-clips` asks for."""
    for cut in cuts_of(instances, sources, padding=padding, name=clip_name):
        yield Task(item=cut.item, made_from=fingerprint(CLIPS, FORMAT, decides(cut)), value=cut)


def clipper(store: Store) -> Make:
    """For `carry_out`: writes cuts as videos."""
    return partial(_clipping, store)


def _clipping(store: Store) -> Callable[[Cut], Made]:
    def clip(cut: Cut) -> Made:
        with reading(store, cut) as path:
            part = part_of(cut, probe(path))
            options = ReadOptions(start_ms=part.start_ms, end_ms=part.end_ms, crop=part.crop)
            with VideoReader(path, options) as video, store.writing(cut.output) as made:
                frames = write_video(made, video, fps=video.fps)
        about = {"gloss": cut.gloss, "split": cut.split, "signer": cut.signer, "video_id": cut.video_id}
        return Made(output=cut.output, info={**about, "frames": frames, **read_of(cut, part)})

    return clip
