"""Fidelity: what is right scores high, and each thing that goes wrong lowers its own measure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from diffusing import cut, person, signing
from numpy.typing import NDArray
from pose_format import Pose

from models.animation.fidelity import Fidelity, compare_table, measure
from models.animation.identity import FaceOf, structural_similarity
from models.errors import VideoError
from models.lexicon.avatar import Signer
from models.lexicon.captions import burn_captions
from models.lexicon.looks import LOOKS
from models.lexicon.performance import Segment
from models.pose import landmarks
from models.progress import Cancelled
from models.synthesis.metrics import FlickerMeter
from models.video_write import write_video

SIDE = 384
Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def pose() -> Pose:
    return cut(signing("THANK-YOU", SIDE), 0, 45)


@pytest.fixture(scope="module")
def frames(pose: Pose) -> list[Image]:
    signer = Signer(pose, LOOKS["kofi"], width=SIDE, height=SIDE)
    return [signer.frame(index) for index in range(signer.num_frames)]


@pytest.fixture(scope="module")
def right(frames: list[Image], pose: Pose) -> Fidelity:
    return measure(frames, pose, person(SIDE))


def test_a_video_of_the_pose_itself_scores_high(right: Fidelity) -> None:
    assert right.frames == right.total_frames == 45
    assert right.body_found == right.face_found == 1
    assert right.hands_found > 0.9
    assert right.hand_distance_palms < 0.2
    assert right.pck_10 > 0.9
    assert right.face_similarity > 0.8
    assert right.face_colour_difference < 3
    assert right.flicker_levels < 1


def test_a_pose_that_is_shifted_is_off_by_the_shift(frames: list[Image], pose: Pose) -> None:
    data, sure = np.ma.getdata(pose.body.data).copy(), np.ma.getdata(pose.body.confidence)
    body = landmarks.component(pose, landmarks.BODY)[0]
    shift = 0.15 * np.median(np.linalg.norm((body[:, 11] - body[:, 12])[:, :2], axis=-1))
    data[..., 0] += shift
    moved = measure(frames, landmarks.with_arrays(pose, data, sure))
    assert moved.pck_10 < 0.2
    assert moved.pck_20 > 0.8
    assert moved.hand_distance_palms > 0.3


def test_hands_that_are_not_there_are_missed(frames: list[Image], pose: Pose) -> None:
    covered = []
    for index, frame in enumerate(frames):
        out = frame.copy()
        for name in landmarks.HANDS:
            points, sure = landmarks.component(pose, name)
            if (sure[index] > 0).all():
                middle = points[index, :, :2].mean(axis=0).round().astype(int)
                cv2.circle(out, tuple(map(int, middle)), 42, (90, 90, 90), -1)
        covered.append(out)
    assert measure(covered, pose).hands_found < 0.4


def test_noise_that_changes_with_every_frame_is_flicker(frames: list[Image], pose: Pose, right: Fidelity) -> None:
    chance = np.random.default_rng(0)
    noisy = [np.clip(frame + chance.normal(0, 12, frame.shape), 0, 255).astype(np.uint8) for frame in frames]
    assert measure(noisy, pose).flicker_levels > right.flicker_levels + 1


def test_another_face_is_another_person(pose: Pose, right: Fidelity) -> None:
    other = Signer(pose, LOOKS["ingrid"], width=SIDE, height=SIDE)
    found = measure((other.frame(index) for index in range(45)), pose, person(SIDE))
    assert found.face_similarity < right.face_similarity - 0.1
    assert found.face_colour_difference > 10


def test_a_model_that_sees_likeness_is_asked_for_it(frames: list[Image], pose: Pose) -> None:
    seen: list[tuple[int, ...]] = []

    def embed(image: Image) -> NDArray[np.floating]:
        seen.append(image.shape)
        return image.mean(axis=(0, 1))

    found = measure(frames, pose, person(SIDE), embed=embed)
    assert found.embedding_similarity > 0.99
    assert len(seen) == 46


def test_captions_and_another_size_do_not_matter(
    frames: list[Image], pose: Pose, right: Fidelity, tmp_path: Path
) -> None:
    segments = [Segment(gloss="THANK-YOU", start_ms=0, end_ms=2000)]
    write_video(tmp_path / "captioned.mp4", burn_captions(frames, segments, 25), fps=25)
    captioned = measure(tmp_path / "captioned.mp4", pose)
    larger = measure((cv2.resize(frame, (SIDE * 3 // 2,) * 2) for frame in frames), pose)
    for found in (captioned, larger):
        assert abs(found.pck_10 - right.pck_10) < 0.06
        assert abs(found.hands_found - right.hands_found) < 0.1


def test_a_video_of_another_length_is_refused(frames: list[Image], pose: Pose) -> None:
    with pytest.raises(VideoError, match="44 frames and the pose 45"):
        measure(frames[:-1], pose)


def test_a_long_video_is_sampled_and_it_is_said(frames: list[Image], pose: Pose, right: Fidelity) -> None:
    data, sure = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)
    long = landmarks.with_arrays(pose, np.concatenate([data] * 6), np.concatenate([sure] * 6))
    found = measure((frame for _ in range(6) for frame in frames), long, max_frames=100)
    assert (found.frames, found.total_frames) == (100, 270)
    assert any("100 of 270" in line for line in found.lines())
    assert abs(found.pck_10 - right.pck_10) < 0.1


def test_measuring_can_be_stopped(pose: Pose, frames: list[Image]) -> None:
    with pytest.raises(Cancelled):
        measure(frames, pose, should_stop=lambda: True)


def test_figures_are_written_with_what_they_were_read_with(right: Fidelity, tmp_path: Path) -> None:
    bare = replace(right, embedding_similarity=math.nan)
    bare.write_json(tmp_path / "fidelity.json")
    read = json.loads((tmp_path / "fidelity.json").read_text())
    assert read["embedding_similarity"] is None
    assert read["frames"] == 45
    assert "mediapipe" in read["read_with"]


def test_sentences_name_the_aim_and_whether_it_is_met(right: Fidelity) -> None:
    good = replace(right, hands_found=0.97, flicker_levels=5.0)
    told = good.lines()
    assert any(line.startswith("✔ Hands read in 97 %") and "95 %" in line for line in told)
    assert any(line.startswith("✘ Flicker of 5.00") for line in told)


def test_results_are_compared_in_a_table(right: Fidelity) -> None:
    table = compare_table({"puppet first": right, "plain": replace(right, pck_10=0.5)})
    assert table[0] == ("", "puppet first", "plain")
    assert next(row for row in table if row[0] == "pck 10")[2] == "0.5"


def test_similarity_is_that_of_the_paper() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    chance = np.random.default_rng(1)
    a = cv2.GaussianBlur(chance.integers(0, 255, (80, 90)).astype(np.uint8), (0, 0), 3)
    b = np.clip(a + chance.normal(0, 8, a.shape), 0, 255).astype(np.uint8)
    _, theirs = metrics.structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    ours = structural_similarity(a, b)
    np.testing.assert_allclose(ours[8:-8, 8:-8], theirs[8:-8, 8:-8], atol=1e-3)


def test_a_face_is_itself_wherever_it_is_and_however_large() -> None:
    target = person(SIDE)
    face = landmarks.component(target.pose, landmarks.FACE)[0][0]
    reference = FaceOf(target.image, face)
    assert reference.similarity(target.image, face) == pytest.approx(1, abs=1e-6)
    larger = np.asarray(cv2.resize(target.image, None, fx=1.4, fy=1.4, interpolation=cv2.INTER_CUBIC))
    assert reference.similarity(larger, face * 1.4) > 0.9


def test_a_camera_that_moves_is_not_flicker() -> None:
    picture = person(SIDE).image
    meter, still = FlickerMeter(), np.zeros((SIDE - 60, SIDE - 60), bool)

    def views() -> Iterator[Image]:
        for step in range(6):
            yield np.ascontiguousarray(picture[step : step + SIDE - 60, 2 * step : 2 * step + SIDE - 60])

    for view in views():
        meter.add(view, still)
    assert meter.error < 1.5
