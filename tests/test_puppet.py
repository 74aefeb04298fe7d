"""The puppet engine: a picture cut into parts, own arms gone, new arms and hands drawn in the right order."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from pose_format import Pose

from models.animation.puppet.arm import draw_bone
from models.animation.puppet.cut import cut
from models.animation.puppet.engine import Puppet
from models.animation.puppet.fill import fill_cloth, spread
from models.animation.puppet.sleeve import sleeves
from models.animation.puppet.warp import Bender
from models.animation.target import Target
from models.lexicon.avatar import LOOKS, Signer
from models.lexicon.avatar_canvas import LIGHT, Array, Layer
from models.lexicon.avatar_figure import figure
from models.lexicon.embedded import embedded_lexicon
from models.lexicon.glossline import parse_gloss_line
from models.lexicon.utterance import UtteranceOptions, sign_line
from models.pose import landmarks

SIDE = 256


@cache
def signing(glosses: str = "MOTHER", size: int = SIDE) -> Pose:
    return sign_line(parse_gloss_line(glosses).items, [embedded_lexicon()], UtteranceOptions(size=size)).pose


def one_frame(pose: Pose, index: int) -> Pose:
    data, confidence = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)
    return landmarks.with_arrays(pose, data[[index]], confidence[[index]])


@cache
def rendered(look: str = "alex", size: int = SIDE) -> Target:
    """A drawn signer with arms at rest, as a target whose landmarks and outline are known exactly."""
    pose = signing(size=size)
    signer = Signer(pose, LOOKS[look], width=size, height=size)
    rgba = signer.frame(0, background=False)
    own = one_frame(pose, 0)
    box = (0, 0, size, size)
    opacity = rgba[..., 3].astype(np.float32) / 255
    return Target(image=signer.frame(0), pose=own, person=opacity, people=(box,), chosen=0)


def resting_clip(target: Target, frames: int = 3) -> Pose:
    """The target's own posture, held."""
    data, confidence = np.ma.getdata(target.pose.body.data), np.ma.getdata(target.pose.body.confidence)
    return landmarks.with_arrays(target.pose, np.repeat(data, frames, 0), np.repeat(confidence, frames, 0))


def contact_frame(pose: Pose) -> int:
    """Where the right hand is nearest to the face."""
    hand, seen = landmarks.component(pose, landmarks.RIGHT_HAND)
    face, _ = landmarks.component(pose, landmarks.FACE)
    distance = np.linalg.norm(hand[:, 9, :2] - face[:, 152, :2], axis=-1)
    return int(np.argmin(np.where(seen[:, 0] > 0, distance, 1e9)))


def test_own_arms_are_gone_when_new_ones_are_elsewhere() -> None:
    target, pose = rendered(), signing()
    index = contact_frame(pose)
    frame = Puppet(target, pose).frame(index)
    own, now = figure(target.pose, SIDE, SIDE), figure(pose, SIDE, SIDE)
    wrist, elbow = own.body[0, 16, :2], own.body[0, 14, :2]
    place = (elbow * 0.4 + wrist * 0.6).astype(int)  # the own forearm, well away from the torso
    assert np.linalg.norm(now.body[index, 16, :2] - wrist) > 0.5 * own.shoulders
    patch = np.s_[place[1] - 2 : place[1] + 3, place[0] - 2 : place[0] + 3]
    wall = target.image[place[1] - 2 : place[1] + 3, 4:9].astype(float).mean(axis=(0, 1))
    sleeve = target.image[patch].astype(float).mean(axis=(0, 1))
    shown = frame[patch].astype(float).mean(axis=(0, 1))
    assert np.abs(shown - wall).max() < 25
    assert np.abs(shown - sleeve).max() > 60


def test_the_torso_is_whole_where_an_arm_lay_over_it() -> None:
    target = rendered()
    parts = cut(target)
    joints = parts.figure.body[0]
    chest = ((joints[11, :2] + joints[12, :2]) / 2 + [0, 0.5 * parts.unit]).astype(int)
    assert parts.torso[chest[1], chest[0], 3] == 255
    # Nothing of the arms is left beside the torso below the shoulders.
    for side, elbow in (("left", 13), ("right", 14)):
        x, y = joints[elbow, :2].astype(int)
        assert parts.arms[side].mask[y, x] == 255
        assert parts.torso[y, x, 3] == 0


def test_a_face_at_rest_is_the_picture_itself() -> None:
    target = rendered()
    frame = Puppet(target, resting_clip(target)).frame(0)
    face = figure(target.pose, SIDE, SIDE).face[0, :, :2]
    x, y = (int(v) for v in face[[1, 152, 10]].mean(axis=0))
    reach = int(0.18 * np.ptp(face[:, 1]))
    region = np.s_[y - reach : y + reach, x - reach : x + reach]
    assert np.array_equal(frame[region], target.image[region])


class GreenHands:
    """Stands in for the painter of hands: a green square around the middle of the palm."""

    tone = (200, 150, 130)
    light_from = LIGHT

    def __init__(self, target: Target) -> None:
        del target

    def layer(self, points: Array, side: str, *, palm: float, elbow: Array) -> Layer:
        del side, palm, elbow
        x, y, depth = points[[0, 5, 9, 13, 17]].mean(axis=0)
        green = np.full((7, 7, 3), (0, 255, 0), np.uint8)
        whole = np.ones((7, 7), np.float32)
        return Layer(x=int(x) - 3, y=int(y) - 3, rgb=green, alpha=whole, depth=whole * np.float32(depth))


def test_a_hand_before_the_face_covers_it_and_one_behind_the_head_does_not_show(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.animation.puppet.engine.HandPainter", GreenHands)
    target = rendered()
    nose = figure(target.pose, SIDE, SIDE).face[0, 1]
    for behind in (False, True):
        pose = _with_right_hand_at(resting_clip(target, 1), nose, behind=behind)
        shown = Puppet(target, pose).frame(0)[int(nose[1]), int(nose[0])]
        assert np.array_equal(shown, (0, 255, 0)) != behind


def _with_right_hand_at(pose: Pose, place: Array, *, behind: bool) -> Pose:
    """The right wrist and hand at `place` (3,), a forearm's length before the body or well behind it."""
    data, confidence = np.ma.getdata(pose.body.data).copy(), np.ma.getdata(pose.body.confidence).copy()
    unit = float(np.linalg.norm(data[0, 0, 11, :2] - data[0, 0, 12, :2]))
    depth = (0.9 if behind else -0.6) * unit / pose.header.dimensions.width
    start = landmarks.component_start(pose, landmarks.RIGHT_HAND)
    hand = slice(start, start + landmarks.NUM_HAND)
    confidence[0, 0, hand] = 1
    data[0, 0, hand] = 0
    data[0, 0, hand, :2] = place[:2]
    data[0, 0, [16, 18, 20, 22], :2], data[0, 0, [16, 18, 20, 22], 2] = place[:2], depth
    return landmarks.with_arrays(pose, data, confidence)


def test_frames_do_not_depend_on_what_was_drawn_before() -> None:
    target, pose = rendered("amara"), signing()
    first, second = Puppet(target, pose), Puppet(target, pose)
    expected = first.frame(20)
    second.frame(3)
    second.frame(40)
    assert np.array_equal(second.frame(20), expected)


@pytest.mark.parametrize("size", [(128, 170), (322, 200)])
def test_frames_are_as_large_as_the_picture_whatever_its_size(size: tuple[int, int]) -> None:
    width, height = size
    whole = rendered()
    scale = min(width, height) / SIDE
    small = cv2.resize(whole.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    opacity = cv2.resize(whole.person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    image = cv2.copyMakeBorder(small, height - small.shape[0], 0, 0, width - small.shape[1], cv2.BORDER_REPLICATE)
    person = cv2.copyMakeBorder(opacity, height - small.shape[0], 0, 0, width - small.shape[1], cv2.BORDER_CONSTANT)
    shift = np.array([0, height - small.shape[0], 0])
    target = replace(whole, image=image, person=person, pose=_moved(whole.pose, scale, shift, size))
    puppet = Puppet(target, _moved(signing(), scale, shift, size))
    frame = puppet.frame(10)
    assert frame.shape == (height, width, 3)
    assert frame.dtype == np.uint8
    assert puppet.num_frames == len(signing().body.data)


def _moved(pose: Pose, scale: float, shift: np.ndarray, size: tuple[int, int]) -> Pose:
    data = np.ma.getdata(pose.body.data)[:, 0].copy()
    own = pose.header.dimensions.width
    data = data * [scale, scale, scale * own / size[0]] + shift
    confidence = np.ma.getdata(pose.body.confidence)[:, 0]
    return landmarks.holistic_pose(data, confidence, fps=25, width=size[0], height=size[1])


def test_a_pose_without_hands_still_moves_arms() -> None:
    target, pose = rendered(), signing()
    data, confidence = np.ma.getdata(pose.body.data).copy(), np.ma.getdata(pose.body.confidence).copy()
    for name in landmarks.HANDS:
        start = landmarks.component_start(pose, name)
        confidence[..., start : start + landmarks.NUM_HAND] = 0
    puppet = Puppet(target, landmarks.with_arrays(pose, data, confidence))
    index = contact_frame(pose)
    assert np.abs(puppet.frame(index).astype(int) - puppet.frame(0)).max() > 60


def test_frames_outside_of_the_clip_are_refused() -> None:
    target = rendered()
    puppet = Puppet(target, resting_clip(target))
    for index in (-1, 3):
        with pytest.raises(IndexError):
            puppet.frame(index)


@pytest.mark.parametrize(("look", "long"), [("alex", True), ("amara", False)])
def test_sleeves_are_as_long_as_in_the_picture(look: str, long: bool) -> None:
    target = rendered(look)
    bones = sleeves(target, cut(target), LOOKS[look].skin)
    forearms = [bones[(side, "lower")] for side in ("left", "right")]
    assert all((bone.bare_from > 0.8) == long for bone in forearms)
    skin, shirt = np.array(LOOKS[look].skin, float), np.array(LOOKS[look].shirt, float)
    for bone in forearms:
        # Its middle is cloth or skin, its end is skin in any case.
        middle = np.median(bone.texture[len(bone.texture) // 3].astype(float), axis=0)
        assert (np.linalg.norm(middle - shirt) < np.linalg.norm(middle - skin)) == long
        assert np.linalg.norm(np.median(bone.texture[-3:].reshape(-1, 3).astype(float), axis=0) - skin) < 30


def test_cloth_is_filled_from_its_own_row() -> None:
    """Two bands of colour with a hole across the border: each band goes on through the hole."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20], image[20:] = (200, 40, 40), (40, 40, 200)
    hole = np.zeros((40, 60), np.uint8)
    hole[5:35, 40:55] = 255
    known = cv2.bitwise_not(hole)
    spoiled = image.copy()
    spoiled[hole > 0] = (0, 255, 0)
    filled = fill_cloth(spoiled, known, hole)
    assert np.abs(filled[10, 48].astype(int) - (200, 40, 40)).max() < 12
    assert np.abs(filled[30, 48].astype(int) - (40, 40, 200)).max() < 12


def test_spread_keeps_what_is_known() -> None:
    image = np.random.default_rng(0).integers(0, 255, (33, 47, 3)).astype(np.uint8)
    known = np.zeros((33, 47), np.uint8)
    known[:, :20] = 255
    assert np.array_equal(spread(image, known)[:, :20], image[:, :20])


def test_a_bent_layer_follows_its_handles_and_rests_when_they_do() -> None:
    picture = np.zeros((80, 80, 4), np.uint8)
    cv2.circle(picture, (40, 40), 6, (255, 255, 255, 255), -1)
    handles = np.array([[40, 40], [5, 5], [75, 5], [5, 75], [75, 75]], np.float32)
    bender = Bender(picture, handles, step=8, margin=20)
    still = bender.bent(handles)
    assert np.array_equal(
        still.rgb, picture[still.y : still.y + still.rgb.shape[0], still.x :][:, : still.rgb.shape[1], :3]
    )
    moved = handles.copy()
    moved[0] += (6, -4)
    layer = bender.bent(moved)
    y, x = np.nonzero(layer.alpha > 0.5)
    assert abs(x.mean() + layer.x - 46) < 1.5
    assert abs(y.mean() + layer.y - 36) < 1.5


def test_a_bone_covers_the_line_between_its_joints_and_no_more_than_its_width() -> None:
    bones = sleeves(rendered(), cut(rendered()), LOOKS["alex"].skin)
    bone = bones[("right", "lower")]
    start, end = np.array([60, 60], np.float32), np.array([180, 100], np.float32)
    layer = draw_bone(bone, start, end, (SIDE, SIDE))
    assert layer is not None
    mask = np.zeros((SIDE, SIDE))
    mask[layer.y : layer.y + layer.alpha.shape[0], layer.x : layer.x + layer.alpha.shape[1]] = layer.alpha
    for share in (0.05, 0.5, 0.95):
        x, y = (start + share * (end - start)).round().astype(int)
        assert mask[y, x] == 1
    across = np.array([-40, 120]) / np.hypot(40, 120)
    x, y = ((start + end) / 2 + across * (bone.radii.max() + 3)).round().astype(int)
    assert mask[y, x] == 0
    assert draw_bone(bone, start - 900, end - 900, (SIDE, SIDE)) is None


@pytest.mark.real
def test_real_pictures_are_cut_and_animated(real_data: Path) -> None:
    from models.animation.picture import load_picture
    from models.animation.retarget import RetargetOptions, retarget
    from models.animation.target import TargetOptions, read_target

    paths = sorted((real_data / "target_images" / "echomimic_v2_flux").glob("*.png"))[:2]
    assert paths
    for path in paths:
        target = read_target(load_picture(path), TargetOptions(side=512))
        puppet = Puppet(target, retarget(signing(size=512), target, RetargetOptions()))
        assert puppet.frame(20).shape == target.image.shape
