"""Readers of uploads for coverage-guided fuzzing: `python tests/fuzz/targets.py video -max_total_time=60`.

`make fuzz` runs them all. Each takes the bytes of a file; anything but a value or a SignError is a finding, which
libFuzzer writes beside as crash-...; what it may cost is bounded by -rss_limit_mb and -timeout. The first inputs are
made here, of what the tests take for good files, into the folder that CORPUS names.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

with atheris.instrument_imports(include=["models", "studio", "pose_format"]):
    from models.animation.picture import load_picture
    from models.data.something_boxes import videos_of
    from models.data.wlasl_file import read_wlasl
    from models.errors import SignError
    from models.lexicon.index import open_lexicon
    from models.lexicon.phonology_tables import read_mapping
    from models.pictures import read_picture
    from models.pose.files import read_pose
    from models.pose.openpose_json import read_openpose
    from models.recognition.four_stage.clips import read_clips
    from models.training.run import Run
    from models.video import VideoReader
    from studio import signs

import hostile  # noqa: E402 - after the folders are known
from PIL import Image  # noqa: E402

PLACE = Path(tempfile.mkdtemp(prefix="fuzz-"))


def video(path: Path) -> None:
    with VideoReader(path) as reader:
        for number, _ in enumerate(reader):
            if number > 20:
                return


def picture(path: Path) -> None:
    for read in (load_picture, read_picture):
        try:
            read(path)
        except SignError:
            continue


def tables(path: Path) -> None:
    for name, read in (("index.csv", open_lexicon), ("clips.csv", read_clips)):
        (path.parent / name).write_bytes(path.read_bytes())
        try:
            read(path.parent)
        except SignError:
            continue


def values(path: Path) -> None:
    (path.parent / "status.json").write_bytes(path.read_bytes())
    Run(path.parent).status()
    for read in (read_wlasl, read_openpose, lambda one: list(videos_of(one)), read_mapping):
        try:
            read(path)
        except SignError:
            continue


def weights(path: Path) -> None:
    from models.training.checkpoints import read_checkpoint

    read_checkpoint(path)


def words(path: Path) -> None:
    written, among = path.read_bytes().decode("utf-8", "replace"), signs.lexicons()
    for read in (signs.read_line, signs.draft, signs.found):
        try:
            read(written, among)
        except SignError:
            continue


TARGETS: dict[str, tuple[Callable[[Path], None], str]] = {
    "video": (video, "x.mp4"),
    "picture": (picture, "x.png"),
    "pose": (lambda path: read_pose(path), "x.pose"),
    "tables": (tables, "x.csv"),
    "values": (values, "x.json"),
    "weights": (weights, "x.safetensors"),
    "words": (words, "x.txt"),
}


def seeds(name: str) -> list[bytes]:
    """Good files of a kind, small."""
    made = PLACE / "seed"
    if name == "video":
        kinds = {"mp4": "mpeg4", "avi": "mpeg4", "mkv": "mjpeg", "mov": "png", "ts": "mpeg2video", "webm": "libvpx"}
        pixels = {"mjpeg": "yuvj420p", "png": "rgb24"}
        files = []
        for ending, codec in kinds.items():
            path = made.with_suffix(f".{ending}")
            files.append(hostile.clip(path, frames=3, side=32, codec=codec, pixels=pixels.get(codec, "yuv420p")))
        return [path.read_bytes() for path in files]
    if name == "picture":
        found = []
        for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
            file = io.BytesIO()
            Image.new("RGB", (97, 97)).save(file, kind)
            found.append(file.getvalue())
        return found
    if name == "pose":
        return [hostile.pose_file(), hostile.pose_file(version=0.1), hostile.pose_file(version=0)]
    if name == "weights":
        from models.training.checkpoints import Checkpoint, write_checkpoint

        write_checkpoint(made, Checkpoint(groups={}, about={"step": 1}))
        return [made.read_bytes()]
    if name == "tables":
        columns = "path,spoken_language,signed_language,start,end,words,glosses,priority\n"
        return [
            f"{columns}a/b.pose,en,ase,0,0,house,HOUSE,0\n".encode(),
            b"path,glosses,signer,split\na.mp4,HOUSE,anna,train\n",
        ]
    if name == "words":
        return [b"HELLO MY NAME fs-ANNA , (800ms) HOUSE|HOME", b"I'm not Anna's; two hundred and three houses?"]
    person = {"pose_keypoints_2d": [1, 2, 1] * 18}
    instance = {"video_id": "1", "url": "https://x.org/a", "split": "train", "frame_start": 1, "frame_end": -1}
    objects: list[object] = [
        [{"gloss": "a", "instances": [instance]}],
        {"people": [person], "canvas_width": 9, "canvas_height": 9},
        {"1": [{"name": "1/0001.jpg", "labels": [], "gt_placeholders": ["a"], "nr_instances": 1}]},
        {"state": "training", "step": 1, "steps": 2, "best": {"metric": "a", "value": 1, "step": 1}},
    ]
    return [json.dumps(one).encode() for one in objects]


def main() -> None:
    read, name = TARGETS[sys.argv[1]]
    corpus = Path(os.environ.get("CORPUS", PLACE / "corpus"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds(sys.argv[1])):
        (corpus / f"seed-{number}").write_bytes(content)
    path = PLACE / name

    def once(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path)
        except SignError:
            return

    limits = ["-rss_limit_mb=4096", "-timeout=60", "-max_len=65536", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[2:], str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
