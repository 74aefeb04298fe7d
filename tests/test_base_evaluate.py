"""Judges of generated clips, and the evaluation of a run, on a toy data set whose words are two ways of moving."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from base_toy import CONFIG, FRAMES, toy_pipeline
from pose_format import Pose

from models.data.word_samples import LANDMARKS, META, PARTS, VERSION, Sample
from models.data.words import COLUMNS, INDEX
from models.errors import SignError
from models.lexicon.legibility import compare
from models.pose.files import write_pose
from models.pose.landmarks import BODY, LEFT_HAND, NUM_BODY, NUM_FACE, RIGHT_HAND, WORLD, component, holistic_pose
from models.progress import Cancelled
from models.synthesis import evaluated_clips
from models.synthesis.config import BaseActionTraining
from models.synthesis.evaluate import evaluate, held_out
from models.synthesis.evaluation_page import page
from models.synthesis.judge_nets import HANDS, POINTS, SWAP, centres, changed, smeared, softened
from models.synthesis.judges import Judges, judges_of
from models.synthesis.motion import Motion
from models.synthesis.pipeline import BaseActionPipeline, example
from models.synthesis.samples import Samples
from models.synthesis.sampling import SamplingOptions
from models.training import Run
from models.training.config import to_dict

SIDE = CONFIG.size
SIGNERS = {
    "anna": "train",
    "ben": "train",
    "cleo": "train",
    "dan": "train",
    "eve": "val",
    "finn": "test",
    "gus": "test",
}
RING = np.stack([np.cos(np.arange(21) * 0.3), np.sin(np.arange(21) * 0.3)], axis=1) * np.linspace(1, 5, 21)[:, None]
FAST = SamplingOptions(steps=1, guidance=1)


def hands_of(word: str, number: int) -> np.ndarray:
    """(T, 2, 2) where both hands are: up and down for UP, to the sides for SIDE."""
    swing = 12 * np.sin(np.linspace(0, 2 * np.pi, FRAMES) + 0.2 * number)
    middle = np.array([[44.0, 36.0], [20.0, 36.0]])  # the signer's left is on the right of the picture
    return middle + np.stack([0 * swing, swing] if word == "UP" else [swing, 0 * swing], axis=1)[:, None]


def pose_of(places: np.ndarray, whole: bool = False) -> Pose:
    data, sure = np.zeros((FRAMES, 576, 3), np.float32), np.zeros((FRAMES, 576), np.float32)
    first = NUM_BODY + NUM_FACE
    data[:, first : first + 42, :2] = (places[:, :, None] + RING).reshape(FRAMES, 42, 2)
    data[:, 11:13, :2], data[:, 13:15, :2], data[:, 15:17, :2] = ((42, 20), (22, 20)), ((46, 30), (18, 30)), places
    sure[:, 11:17] = sure[:, first : first + 42] = 1
    pose = holistic_pose(data, sure, fps=10, width=SIDE, height=SIDE)
    return pose if whole else pose.get_components([BODY, LEFT_HAND, RIGHT_HAND, WORLD])


def frames_of(places: np.ndarray, number: int) -> np.ndarray:
    """A body in the signer's colours with two hands, each of which has two marks."""
    rng = np.random.default_rng(number)
    ground, cloth = (tuple(int(one) for one in rng.integers(low, low + 60, 3)) for low in (120, 20))
    frames = np.full((FRAMES, SIDE, SIDE, 3), ground, np.uint8)
    for frame, hands in zip(frames, places, strict=True):
        cv2.rectangle(frame, (20, 18), (44, 63), cloth, -1)
        cv2.circle(frame, (32, 10), 7, (200, 160, 130), -1)
        for hand in np.round(hands).astype(int):
            cv2.circle(frame, hand.tolist(), 5, (230, 190, 160), -1)
            cv2.circle(frame, (hand + np.array([2, -2])).tolist(), 1, (90, 40, 30), -1)
    return frames


def write_sample(folder: Path, word: str, number: int) -> None:
    places = hands_of(word, number)
    for part in PARTS:
        (folder / part).mkdir(parents=True)
        for place, frame in enumerate(frames_of(places, number), start=1):
            cv2.imwrite(str(folder / part / f"frame_{place:04d}.jpg"), frame[..., ::-1])
    write_pose(folder / LANDMARKS, pose_of(places))
    boxes = {part: [(0, 0, SIDE, SIDE)] * FRAMES for part in PARTS[1:]}
    about = Sample(
        version=VERSION, word=word, source=f"{word}/{number}.mp4", width=SIDE, height=SIDE, source_fps=10,
        source_frames=FRAMES, span_ms=(0, 2000), signing=(0, FRAMES), fps=10, numbers=list(range(FRAMES)),
        format="jpeg", size=SIDE, hand_size=SIDE, picture=(0, 0, SIDE, SIDE),
        seen={part: [True] * FRAMES for part in PARTS[1:]}, boxes=boxes,
    )  # fmt: skip
    (folder / META).write_text(json.dumps(asdict(about)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    with (folder / INDEX).open("w", newline="") as file:
        lines = csv.DictWriter(file, COLUMNS)
        lines.writeheader()
        for word in ("UP", "SIDE"):
            for number, (signer, split) in enumerate(SIGNERS.items()):
                write_sample(folder / word / signer, word, number)
                lines.writerow({"path": f"{word}/{signer}", "word": word, "signer": signer, "split": split})
    return folder


@pytest.fixture(scope="module")
def samples(data: Path) -> Samples:
    return Samples(data, CONFIG)


@pytest.fixture(scope="module")
def judges(samples: Samples) -> Judges:
    return judges_of(samples, hand_steps=30, word_steps=150)


class Looking:
    """A judge that needs no training: it looks where what is bright, the hands, comes and goes."""

    words, mark = ("SIDE", "UP"), "looking"

    def word(self, frames: np.ndarray) -> str:
        places = []
        for frame in frames:
            rows, columns = np.nonzero((frame[..., 0] > 210) & (np.arange(SIDE)[:, None] > 18))
            places.append((rows.mean(), columns.mean()) if len(rows) else (0.0, 0.0))
        down, across = np.std(places, axis=0)
        return "UP" if down > across + 0.5 else "SIDE"  # what stands still is on the side

    def read(self, frames: np.ndarray, fps: float) -> Pose:
        return pose_of(hands_of("UP", 0), whole=True)


@pytest.fixture
def run(tmp_path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run whose model has learned nothing."""
    monkeypatch.setattr("models.synthesis.evaluate.judges_of", lambda *_: Looking())
    monkeypatch.setattr("models.synthesis.metrics.FLOW_PX", SIDE)  # flow costs by the pixel
    pipeline, made = toy_pipeline(), Run(tmp_path / "run")
    words = {}
    for word in samples.words:
        of_word = [one for one in samples.of("train") if one.word == word]
        rng = np.random.default_rng(len(word))
        views = rng.normal(size=(len(of_word), FRAMES, 3, CONFIG.encoder_width)).astype(np.float32)
        motions = [Motion(views=one, seen=np.ones((FRAMES, 3), bool), fps=10.0) for one in views]
        words[word] = example(samples, of_word, motions)
    BaseActionPipeline(
        pipeline.model, pipeline.vae, pipeline.encoder, words, trained_on="trained on <nothing>", drawn=True
    ).save_pretrained(made.model)
    made.write_config(
        {"name": "a <toy>", "config": to_dict(BaseActionTraining(model=CONFIG)), "data": str(samples.data)}
    )
    yield made


def video(samples: Samples, word: str, signer: str) -> np.ndarray:
    sample = next(one for one in samples.all if (one.word, one.signer) == (word, signer))
    return np.asarray(samples.views(sample)[0].permute(1, 2, 3, 0).numpy())


def test_the_middle_of_a_heat_map_is_where_its_peak_is() -> None:
    maps = torch.full((1, 2, 8, 8), -50.0)
    maps[0, 0, 2, 5] = maps[0, 1, 7, 0] = 50
    torch.testing.assert_close(centres(maps), torch.tensor([[[5.5 / 8, 2.5 / 8], [0.5 / 8, 7.5 / 8]]]))


def test_landmarks_move_with_the_picture_that_is_changed() -> None:
    points = torch.full((12, POINTS, 2), 0.5)
    points[:, :21] = torch.tensor([0.7, 0.4])  # all of the left hand in one place, which is white
    pictures = torch.zeros(12, 3, 64, 64)
    pictures[:, :, 24:28, 43:47] = 1
    given, placed, flipped = changed(pictures, points, torch.Generator().manual_seed(0))
    assert 0 < flipped.sum() < 12
    for picture, at, mirrored in zip(given, placed, flipped, strict=True):
        where = at[21:HANDS] if mirrored else at[:21]  # a mirrored left hand is a right hand
        bright = (picture.mean(dim=0) > picture.mean(dim=0).max() - 0.2).nonzero().float().mean(dim=0)
        torch.testing.assert_close((bright.flip(0) + 0.5) / 64, where[0], atol=0.02, rtol=0)


def test_frames_of_a_clip_are_changed_alike() -> None:
    pictures, points = torch.rand(1, 3, 64, 64).expand(6, -1, -1, -1), torch.rand(1, POINTS, 2).expand(6, -1, -1)
    given, placed, flipped = changed(pictures, points, torch.Generator().manual_seed(1), frames=3)
    assert torch.equal(placed[0], placed[2])
    assert not torch.equal(placed[0], placed[3])
    assert flipped[0] == flipped[2]
    assert (given[0] - given[2]).abs().mean() < 0.05


def test_mirroring_twice_is_nothing_and_smearing_keeps_the_light() -> None:
    assert [SWAP[place] for place in SWAP] == list(range(POINTS))
    picture = torch.rand(2, 3, 64, 64)
    for less in (softened(picture), smeared(picture)):
        assert less.shape == picture.shape
        assert less.mean() == pytest.approx(float(picture.mean()), abs=0.02)
        assert less.std() < picture.std() / 2


@pytest.mark.slow
def test_the_judge_of_words_tells_words_by_how_hands_move(samples: Samples, judges: Judges) -> None:
    unseen = [(word, signer) for word in ("UP", "SIDE") for signer in ("eve", "finn", "gus")]
    assert sum(judges.word(video(samples, word, signer)) == word for word, signer in unseen) == 6
    assert judges.shares(video(samples, "UP", "finn")).sum() == pytest.approx(1)


@pytest.mark.slow
def test_the_judge_of_hands_says_where_they_are_in_pixels_of_the_picture(samples: Samples, judges: Judges) -> None:
    frames = video(samples, "SIDE", "finn")
    asked = samples.pose(next(one for one in samples.of("test") if (one.word, one.signer) == ("SIDE", "finn")))
    read = judges.read(frames, 10)
    assert len(read.body.data) == FRAMES
    found = compare("SIDE", asked, read)
    assert found.found() > 0.7
    at, wanted = (component(pose, LEFT_HAND)[0][..., :2].mean(axis=1) for pose in (read, asked))
    seen = component(read, LEFT_HAND)[1].any(axis=1)
    assert np.linalg.norm(at - wanted, axis=1)[seen].mean() < 5
    large = np.stack([cv2.resize(frame, (128, 128)) for frame in frames])
    twice = component(judges.read(large, 10), LEFT_HAND)[0][..., :2].mean(axis=1)
    np.testing.assert_allclose(twice[seen], 2 * at[seen], atol=4)


@pytest.mark.slow
def test_judges_are_kept_and_made_again_for_other_samples(
    samples: Samples, judges: Judges, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    again = judges_of(samples, lambda words, *_: told.append(words), hand_steps=30, word_steps=150)
    assert told == []
    assert (again.threshold, again.words, again.mark) == (judges.threshold, judges.words, judges.mark)
    frames = video(samples, "UP", "gus")
    np.testing.assert_array_equal(again.shares(frames), judges.shares(frames))
    folder = samples.data / f"judges-{judges.mark}"
    (folder / "words.safetensors").write_bytes(b"cut off")
    judges_of(samples, lambda words, *_: told.append(words), hand_steps=30, word_steps=150)
    assert set(told) == {"Reading clips for the judges", "Training a judge of words"}


def test_an_evaluation_measures_every_variant_and_writes_a_page(run: Run) -> None:
    told: list[tuple[int, int]] = []
    evaluate(run, options=FAST, tell=lambda _, done, of: told.append((done, of)))
    kept = json.loads((run.evaluation / "evaluation.json").read_text())
    variants = kept["variants"]
    assert set(variants) == {
        "own", "other_word", "no_motion", "other_signer", "medoid", "barycentre",
        "real", "codec", "still", "mean", "other_sample",
    }  # fmt: skip
    assert kept["right_of_real"] == 1  # the words of signers it never saw
    assert variants["still"]["right"] <= 0.5 < variants["other_sample"]["right"]  # a still cannot be both words
    assert variants["real"]["ssim"] == pytest.approx(1, abs=1e-4)
    assert variants["real"]["psnr_db"] is None  # infinite
    assert variants["real"]["similarity"] == pytest.approx(1, abs=1e-5)
    assert variants["own"]["psnr_db"] < variants["other_sample"]["psnr_db"]  # a model that has learned nothing
    assert variants["other_signer"]["psnr_db"] is None
    assert (kept["data"]["samples"], kept["data"]["signers"], kept["data"]["signers_known_from_training"]) == (4, 2, 0)
    assert sum(one["count"] for one in kept["confusions"]) == 4
    assert kept["frechet"]["measure"].startswith("Fréchet distance on embeddings of the model's own")
    assert told[-1][0] == told[-1][1] == len(kept["clips"])
    shown = (run.evaluation / "report.html").read_text()
    assert "The model has never seen a person" in shown
    assert "a &lt;toy&gt;" in shown and "<toy>" not in shown and "<nothing>" not in shown
    assert shown.count("<img") == shown.count('alt="') == len(list(run.evaluation.glob("*.png"))) + 2


def test_an_evaluation_that_was_interrupted_goes_on_where_it_was(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    generated = []
    generate = BaseActionPipeline.generate

    def counting(self: BaseActionPipeline, *args: object, **named: object) -> np.ndarray:
        generated.append(1)
        if len(generated) == 4:
            raise Cancelled
        return generate(self, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(BaseActionPipeline, "generate", counting)
    with pytest.raises(Cancelled):
        evaluate(run, options=FAST, limit=2)
    first = evaluate(run, options=FAST, limit=2)
    count = len(generated)
    assert count == 4 + first_generated(first) - 3
    again = evaluate(run, options=FAST, limit=2)
    assert len(generated) == count
    assert again["clips"] == first["clips"]
    evaluate(run, options=replace(FAST, seed=1), limit=2)  # other clips
    assert len(generated) == count + first_generated(first)


def first_generated(made: dict[str, object]) -> int:
    names = (*evaluated_clips.GENERATED, *evaluated_clips.OF_WORDS)
    return sum(row["variant"] in names for row in made["clips"])  # type: ignore[attr-defined, index]


def test_the_motion_of_another_word_is_judged_by_both_words(run: Run) -> None:
    rows = [row for row in evaluate(run, options=FAST, limit=2)["clips"] if row["variant"] == "other_word"]
    assert rows
    assert all(row["told_word"] != row["word"] for row in rows)


def test_what_cannot_be_evaluated_is_said_in_words(samples: Samples, run: Run, tmp_path: Path) -> None:
    with pytest.raises(SignError, match="no split 'all'"):
        held_out(samples, "all")
    with pytest.raises(SignError, match="0 samples were asked for"):
        held_out(samples, "test", 0)
    assert len(held_out(samples, "test", 3)) == 3
    only = Samples(samples.data, CONFIG)
    only.all = tuple(one for one in only.all if one.split != "train" or one.word != "UP")
    with pytest.raises(SignError, match="such as UP"):
        held_out(only, "test")
    only.all = only.of("train")
    with pytest.raises(SignError, match="is in the split test"):
        held_out(only, "test")
    empty = Run(tmp_path / "other")
    empty.write_config({"name": "no config"})
    with pytest.raises(SignError, match="does not say what was trained"):
        evaluate(empty)


def test_hands_of_large_pictures_are_read_by_mediapipe(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(evaluated_clips, "read_back", lambda _, fps: asked.append(fps))
    bench = evaluated_clips.Bench(
        pipeline=toy_pipeline(), samples=samples, judges=Looking(), options=FAST, features=tmp_path, clips=tmp_path,
        inception=None, mark="",
    )  # fmt: skip
    bench.read(np.zeros((2, 192, 192, 3), np.uint8), 12.5)
    assert asked == [12.5]
    assert len(bench.read(np.zeros((2, 64, 64, 3), np.uint8), 12.5).body.data) == FRAMES
    assert asked == [12.5]
    assert "MediaPipe" not in bench.reader


def test_a_page_without_intervals_or_hands_is_whole(run: Run) -> None:
    made = evaluate(run, options=FAST, limit=1)
    assert made["right_interval_95"] is None
    assert made["frechet"]["half_real_to_real"] is None
    shown = page(made, [])
    assert shown.count("<table") == shown.count("</table>")
    assert "With other signers" not in shown
    assert not math.isnan(made["right"])
