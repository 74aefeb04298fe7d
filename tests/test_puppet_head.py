"""The head of a picture, moved: itself at rest, and each movement where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
from diffusing import person
from numpy.typing import NDArray

from models.animation.puppet.cut import cut
from models.animation.puppet.head import Head
from models.animation.target import Target
from models.lexicon.avatar_canvas import Canvas, Layer
from models.pose import landmarks

SIDE = 512


@pytest.fixture(scope="module")
def target() -> Target:
    return person(SIDE)


@pytest.fixture(scope="module")
def head(target: Target) -> Head:
    return Head(target, cut(target).head)


@pytest.fixture
def face(target: Target) -> NDArray[np.float32]:
    return landmarks.component(target.pose, landmarks.FACE)[0][0].copy()


def shown(layer: Layer, target: Target) -> NDArray[np.int64]:
    canvas = Canvas(SIDE, SIDE, np.zeros_like(target.image))
    canvas.paint(layer)
    return canvas.rgb.astype(int)


def height(face: NDArray[np.float32]) -> float:
    return float(np.linalg.norm((face[10] - face[152])[:2]))


def changed(head: Head, target: Target, rest: NDArray[np.float32], face: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.abs(shown(head.layer(face), target) - shown(head.layer(rest), target)).max(axis=-1) > 12


def test_a_face_at_rest_is_the_picture_itself(head: Head, target: Target, face: NDArray[np.float32]) -> None:
    layer = head.layer(face)
    inside = layer.alpha > 0.99
    window = target.image[layer.y : layer.y + layer.rgb.shape[0], layer.x : layer.x + layer.rgb.shape[1]]
    assert inside.sum() > 5000
    assert np.abs(layer.rgb.astype(int) - window)[inside].max() <= 1


def test_a_head_that_moves_takes_all_of_it_along_and_leaves_the_neck(
    head: Head, target: Target, face: NDArray[np.float32]
) -> None:
    rest, moved = face.copy(), face.copy()
    moved[:, 0] += 12
    a, b = shown(head.layer(rest), target), shown(head.layer(moved), target)
    top, chin = int(face[10, 1]), int(face[152, 1])
    columns = slice(int(face[234, 0]) - 10, int(face[454, 0]) + 10)
    upper = np.abs(b[top:chin, columns.start + 12 : columns.stop + 12] - a[top:chin, columns]).mean()
    still = np.abs(b[top:chin, columns] - a[top:chin, columns]).mean()
    assert upper < 0.4 * still
    body = landmarks.component(target.pose, landmarks.BODY)[0][0]
    base = int(body[[11, 12], 1].mean())
    assert np.abs(b[base:] - a[base:]).max() <= 8


def test_brows_that_rise_change_the_brows_and_not_the_mouth(
    head: Head, target: Target, face: NDArray[np.float32]
) -> None:
    rest = face.copy()
    face[[70, 63, 105, 66, 107, 300, 293, 334, 296, 336], 1] -= 0.05 * height(face)
    where = changed(head, target, rest, face)
    brows = slice(int(rest[105, 1]) - 20, int(rest[105, 1]) + 12)
    assert where[brows].sum() > 60
    assert where[int(rest[0, 1]) - 4 : int(rest[17, 1]) + 4].sum() == 0


def test_lids_that_close_cover_the_white_of_the_eye(head: Head, target: Target, face: NDArray[np.float32]) -> None:
    rest = face.copy()
    for upper, lower in ((159, 145), (158, 153), (160, 144), (161, 163), (157, 154), (246, 7), (173, 155)):
        face[upper] = face[lower]
    x, y = rest[[159, 145, 33, 133], :2].mean(axis=0).round().astype(int)
    eye = (slice(y - 4, y + 5), slice(x - 10, x + 11))
    a, b = shown(head.layer(rest), target)[eye], shown(head.layer(face), target)[eye]
    assert b.max() < a.max()


def test_a_mouth_that_opens_is_dark_inside(head: Head, target: Target, face: NDArray[np.float32]) -> None:
    rest = face.copy()
    below = [14, 87, 178, 88, 95, 317, 402, 318, 324, 17, 84, 181, 314, 405, 152, 148, 377, 176, 400]
    face[below, 1] += 0.14 * height(face)
    x, y = face[[13, 14], :2].mean(axis=0).round().astype(int)
    inside = shown(head.layer(face), target)[y - 1 : y + 4, x - 4 : x + 5]
    before = shown(head.layer(rest), target)[y - 1 : y + 4, x - 4 : x + 5]
    assert inside.mean() < before.mean()
    assert inside[..., 0].mean() < 110


def test_a_wild_face_never_breaks_the_head(head: Head, target: Target, face: NDArray[np.float32]) -> None:
    face[:, :2] += np.random.default_rng(0).normal(0, 200, (len(face), 2)).astype(np.float32)
    layer = head.layer(face)
    assert np.isfinite(layer.alpha).all()
    assert layer.rgb.shape[:2] == layer.alpha.shape


def test_a_person_without_a_face_keeps_a_still_head(target: Target, face: NDArray[np.float32]) -> None:
    sure = np.ma.getdata(target.pose.body.confidence).copy()
    start = landmarks.component_start(target.pose, landmarks.FACE)
    sure[..., start : start + landmarks.NUM_FACE] = 0
    faceless = landmarks.with_arrays(target.pose, np.ma.getdata(target.pose.body.data), sure)
    head = Head(Target(image=target.image, pose=faceless, person=target.person, people=(), chosen=0), cut(target).head)
    assert (head.layer(face + 30).rgb == head.layer(face).rgb).all()
