"""A movement fitted to another body: its proportions, the same contacts, nothing that depends on the camera."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose

from models.animation.retarget import RetargetOptions, retarget
from models.animation.skeleton import actor
from models.animation.smoothing import OneEuro, one_euro, tremble
from models.animation.target import Target
from models.errors import PoseError
from models.lexicon.body import Body, Framing, SignerStyle
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.pose.clean import reduce
from models.pose.extract import extract_pose
from models.pose.landmarks import BODY, FACE, LEFT_HAND, RIGHT_HAND, component, component_start, seen, with_arrays

CHIN, FOREHEAD, MOUTH, EAR = 152, 10, 13, 234
THUMB_TIP, INDEX_TIP, MIDDLE_TIP = 4, 8, 12
BONES = ((11, 13), (13, 15), (12, 14), (14, 16))


@cache
def signed(*glosses: str, style: SignerStyle | None = None, size: int = 512) -> Pose:
    signs = load_phonology()
    return perform([signs[gloss] for gloss in glosses], style, width=size, height=size).pose


def target_of(pose: Pose, frame: int = 0) -> Target:
    size = pose.header.dimensions
    picture = np.zeros((size.height, size.width, 3), np.uint8)
    data, sure = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)
    still = with_arrays(pose, data[[frame]], sure[[frame]])
    person = np.zeros(picture.shape[:2], np.float32)
    return Target(image=picture, pose=still, person=person, people=((0, 0, 1, 1),), chosen=0)


@cache
def other_person() -> Target:
    """Broader, a longer neck, a smaller head and hands, standing elsewhere in a larger picture."""
    body = Body(shoulder_half_width_m=0.185, head_height_m=0.70, head_scale=0.93, hand_scale=0.9, upper_arm_m=0.29)
    style = SignerStyle(body=body, framing=Framing(shoulder_fraction=0.28, shift_fraction=0.06))
    return target_of(signed("HELLO", style=style, size=640))


def hidden(target: Target, *landmarks: int, parts: tuple[str, ...] = ()) -> Target:
    data, sure = (np.array(np.ma.getdata(part)) for part in (target.pose.body.data, target.pose.body.confidence))
    sure[:, :, list(landmarks)] = 0
    for part in parts:
        start, count = component_start(target.pose, part), component(target.pose, part)[0].shape[1]
        sure[:, :, start : start + count] = 0
    return replace(target, pose=with_arrays(target.pose, data, sure))


def without(pose: Pose, name: str, frames: slice) -> Pose:
    data, sure = (np.array(np.ma.getdata(part)) for part in (pose.body.data, pose.body.confidence))
    start, count = component_start(pose, name), component(pose, name)[0].shape[1]
    sure[frames, :, start : start + count] = 0
    return with_arrays(pose, np.where(sure[..., None] > 0, data, 0), sure)


def in_pixels(pose: Pose, name: str) -> np.ndarray:
    return component(pose, name)[0] * np.array([1, 1, pose.header.dimensions.width])


def closest(pose: Pose, fingertip: int, place: int, hand: str = RIGHT_HAND) -> tuple[float, np.ndarray]:
    """Where a fingertip is against a place of the face, in shoulder widths, in the frame where it is closest."""
    person = actor(pose)
    side = "right" if hand == RIGHT_HAND else "left"
    offsets = ((person.hands[side][:, fingertip] - person.face[:, place]) / person.unit)[:, :2]
    away = np.where(person.hands_sure[side] == 1, np.linalg.norm(offsets, axis=1), np.inf)
    return float(away.min()), offsets[away.argmin()]


def test_a_signer_fitted_to_their_own_body_stays_as_they_are() -> None:
    pose = signed("HELLO", "MOTHER", "NAME", "PLEASE")
    both_hands = int(np.flatnonzero(seen(pose, LEFT_HAND) & seen(pose, RIGHT_HAND))[0])
    same = retarget(pose, target_of(pose, both_hands))
    shoulders = actor(pose).unit
    # A still may show them a little aside of where they usually are: they stay where the picture has them. Elbows
    # differ most: the signer was drawn in perspective, and fitted arms do not grow towards the camera.
    for name, most in ((BODY, 0.15), (FACE, 0.02), (LEFT_HAND, 0.07), (RIGHT_HAND, 0.07)):
        both = seen(pose, name) & seen(same, name)
        points, fitted = (component(one, name)[0][both][:, :23, :2] for one in (pose, same))
        aside = np.median(fitted - points, axis=(0, 1))
        away = np.linalg.norm(fitted - points - aside, axis=-1)
        assert np.linalg.norm(aside) < 0.07 * shoulders, name
        assert np.percentile(away, 95) < most * shoulders, name
        assert np.median(away) < 0.03 * shoulders, name


def test_bones_keep_the_targets_length_in_every_frame() -> None:
    fitted = in_pixels(retarget(signed("HELLO", "FATHER", "WHERE"), other_person()), BODY)
    for start, end in BONES:
        lengths = np.linalg.norm(fitted[:, end] - fitted[:, start], axis=1)
        assert np.ptp(lengths) < 0.01 * lengths.mean()
    left, right = (np.linalg.norm(fitted[0, a] - fitted[0, b]) for a, b in (BONES[0], BONES[2]))
    assert left == pytest.approx(right, rel=1e-3)


def test_the_target_keeps_its_place_and_the_shape_of_its_face() -> None:
    target = other_person()
    fitted = retarget(signed("HELLO", "MOTHER"), target)
    own, moved = component(target.pose, BODY)[0][0], component(fitted, BODY)[0]
    width = np.linalg.norm(own[11, :2] - own[12, :2])
    assert np.abs(moved[:, 11:13, :2] - own[11:13, :2]).max() < 0.16 * width
    face, faces = component(target.pose, FACE)[0][0], component(fitted, FACE)[0]
    for a, b in ((FOREHEAD, CHIN), (EAR, 454), (33, 263)):
        before, after = np.linalg.norm(face[a, :2] - face[b, :2]), np.linalg.norm(faces[:, a] - faces[:, b], axis=-1)
        assert np.median(after) == pytest.approx(before, rel=0.08)
    assert (fitted.header.dimensions.width, fitted.header.dimensions.height) == (640, 640)


@pytest.mark.parametrize(
    ("gloss", "fingertip", "place"),
    [
        ("MOTHER", THUMB_TIP, CHIN),
        ("FATHER", THUMB_TIP, FOREHEAD),
        ("EAT", MIDDLE_TIP, MOUTH),
        ("DEAF", INDEX_TIP, EAR),
    ],
)
def test_a_finger_that_touches_the_face_touches_it_on_another_body(gloss: str, fingertip: int, place: int) -> None:
    pose = signed(gloss)
    before, _ = closest(pose, fingertip, place)
    after, _ = closest(retarget(pose, other_person()), fingertip, place)
    assert before < 0.08  # the sign does touch
    assert after == pytest.approx(before, abs=0.025)


def test_a_plain_similarity_would_miss_the_face() -> None:
    """The bodies of these tests differ enough for the contacts to be worth keeping."""
    pose, target = actor(signed("MOTHER")), actor(other_person().pose)
    ratio = target.unit / pose.unit
    thumb = target.middle[0] + ratio * (pose.hands["right"][:, THUMB_TIP] - pose.middle)
    assert np.linalg.norm((thumb - target.face[0, CHIN])[:, :2], axis=1).min() > 0.1 * target.unit


def test_hands_that_hold_each_other_keep_their_relation() -> None:
    pose = signed("NAME")
    before, after = actor(pose), actor(retarget(pose, other_person()))
    gaps = np.linalg.norm(before.hands["right"][:, 10] - before.hands["left"][:, 10], axis=1)
    frame = int(np.where((before.hands_sure["left"] == 1) & (before.hands_sure["right"] == 1), gaps, np.inf).argmin())
    own, theirs = (
        (person.hands["right"][frame] - person.hands["left"][frame]) / person.palm for person in (before, after)
    )
    assert np.abs(own - theirs)[:, :2].max() < 0.12


def test_size_and_place_of_the_driver_make_no_difference() -> None:
    pose = signed("MOTHER")
    data, sure = (np.array(np.ma.getdata(part)) for part in (pose.body.data, pose.body.confidence))
    data[..., :2] = data[..., :2] * 0.6 + [70, 40]
    data[..., 2] *= 0.6
    moved = with_arrays(pose, np.where(sure[..., None] > 0, data, 0), sure)
    plain, other = retarget(pose, other_person()), retarget(moved, other_person())
    for name in (BODY, FACE, RIGHT_HAND):
        assert np.abs(component(plain, name)[0] - component(other, name)[0])[..., :2].max() < 1.0


def test_in_the_mirror_the_other_hand_signs() -> None:
    pose = signed("MOTHER")
    plain = retarget(pose, other_person())
    mirrored = retarget(pose, other_person(), RetargetOptions(mirror=True))
    assert (seen(mirrored, LEFT_HAND) == seen(plain, RIGHT_HAND)).all()
    touch, where = closest(plain, THUMB_TIP, CHIN)
    mirror_touch, mirror_where = closest(mirrored, THUMB_TIP, CHIN, LEFT_HAND)
    assert mirror_touch == pytest.approx(touch, abs=0.03)
    assert mirror_where[1] == pytest.approx(where[1], abs=0.03)


def test_a_short_loss_of_a_hand_is_bridged_and_a_long_one_is_not() -> None:
    pose = signed("MOTHER")
    there = np.flatnonzero(seen(pose, RIGHT_HAND))
    middle = int(there[len(there) // 2])
    assert seen(retarget(without(pose, RIGHT_HAND, slice(middle, middle + 5)), other_person()), RIGHT_HAND)[there].all()
    rest = retarget(without(pose, RIGHT_HAND, slice(middle, None)), other_person())
    assert not seen(rest, RIGHT_HAND)[middle + 12 :].any()
    sure = component(rest, BODY)[1]
    assert (sure[:, :25] > 0).all()
    assert seen(rest, FACE).all()


def test_a_pose_without_hands_still_moves_the_arms() -> None:
    pose = signed("MOTHER")
    bare = without(without(pose, RIGHT_HAND, slice(None)), LEFT_HAND, slice(None))
    fitted = retarget(bare, other_person())
    assert not seen(fitted, RIGHT_HAND).any()
    wrist = component(fitted, BODY)[0][:, 16]
    assert np.ptp(wrist[:, 1]) > 100


def test_one_frame_is_enough() -> None:
    pose = signed("MOTHER")
    data, sure = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)
    fitted = retarget(with_arrays(pose, data[30:31], sure[30:31]), other_person())
    assert fitted.body.data.shape[0] == 1
    assert np.isfinite(np.ma.getdata(fitted.body.data)).all()


def test_a_target_that_shows_no_hands_arms_or_hips_gets_usual_ones() -> None:
    target = hidden(other_person(), *range(15, 33), parts=(LEFT_HAND, RIGHT_HAND))
    fitted = retarget(signed("MOTHER"), target)
    person = actor(fitted)
    body = in_pixels(fitted, BODY)
    upper, fore = (np.linalg.norm(body[0, b] - body[0, a]) / person.unit for a, b in BONES[2:])
    assert 0.7 < upper < 1.0
    assert 0.6 < fore < 0.95
    assert closest(fitted, THUMB_TIP, CHIN)[0] < 0.1


def test_a_target_without_a_face_has_none() -> None:
    assert not seen(retarget(signed("MOTHER"), hidden(other_person(), parts=(FACE,))), FACE).any()


def test_reduced_poses_drive_as_well() -> None:
    pose = signed("MOTHER")
    fitted = retarget(reduce(pose), other_person())
    assert fitted.body.data.shape == (len(pose.body.data), 1, 576, 3)
    assert closest(fitted, THUMB_TIP, CHIN)[0] < 0.12


def test_another_frame_rate_keeps_the_duration() -> None:
    pose = signed("MOTHER")
    fitted = retarget(pose, other_person(), RetargetOptions(fps=50))
    assert fitted.body.fps == 50
    assert len(fitted.body.data) == pytest.approx(2 * len(pose.body.data), abs=2)


@pytest.mark.parametrize("wrong", [{"smoothing": "strong"}, {"fps": 0.0}, {"fps": 1000.0}])
def test_options_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PoseError):
        RetargetOptions(**wrong)  # type: ignore[arg-type]


def test_a_clean_pose_is_left_as_it_is_and_a_trembling_one_is_calmed() -> None:
    pose = signed("MOTHER")
    raw = retarget(pose, other_person(), RetargetOptions(smoothing="none"))
    assert np.array_equal(np.ma.getdata(retarget(pose, other_person()).body.data), np.ma.getdata(raw.body.data))
    rng = np.random.default_rng(0)
    data, sure = np.array(np.ma.getdata(pose.body.data)), np.ma.getdata(pose.body.confidence)
    data[..., :2] += rng.normal(0, 0.8, data[..., :2].shape)
    shaken = with_arrays(pose, np.where(sure[..., None] > 0, data, 0), sure)

    def jitter(smoothing: str) -> float:
        hand = component(retarget(shaken, other_person(), RetargetOptions(smoothing=smoothing)), RIGHT_HAND)[0]  # type: ignore[arg-type]
        shown = hand[seen(pose, RIGHT_HAND)][..., :2]
        return float(np.abs(np.diff(shown, 3, axis=0)).mean())

    assert jitter("auto") < 0.75 * jitter("none")
    assert jitter("savgol") < 0.9 * jitter("none")


def test_one_euro_stills_what_rests_and_leaves_what_is_fast() -> None:
    rng, frames = np.random.default_rng(1), np.arange(200)
    swing = np.where(frames < 100, 0.0, 2 * np.sin((frames - 100) * 2 * np.pi * 3 / 25))  # 3 Hz, as fingers wiggle
    truth = np.stack([swing, np.zeros(200), np.zeros(200)], axis=1)[:, None]
    noisy = truth + rng.normal(0, 0.02, truth.shape)
    calm = one_euro(noisy, 25, OneEuro(rest_hz=1.5, rise=8.0))
    still = slice(10, 90)
    assert np.abs(np.diff(calm[still], 2, axis=0)).mean() < 0.5 * np.abs(np.diff(noisy[still], 2, axis=0)).mean()
    fast = np.abs(np.diff(truth[:, 0, 0])).max()
    assert np.abs(np.diff(calm[:, 0, 0])).max() > 0.95 * fast
    lag = np.argmax([np.dot(np.roll(calm[100:, 0, 0], -shift), truth[100:, 0, 0]) for shift in range(-3, 4)]) - 3
    assert lag == 0


@pytest.mark.real
def test_a_real_signer_drives_another_person(real_data: Path) -> None:
    clip = sorted((real_data / "asl_words" / "mother").glob("*.mp4"))[0]
    pose = extract_pose(clip).pose
    fitted = retarget(pose, other_person())
    before, after = (closest(one, THUMB_TIP, CHIN)[0] for one in (pose, fitted))
    assert after == pytest.approx(before, abs=0.04)
    assert tremble(actor(fitted)) < tremble(actor(pose))
    body = in_pixels(fitted, BODY)
    assert (body[:, 13:15, 1] > body[:, 11:13, 1]).all()  # elbows hang below the shoulders throughout this sign
