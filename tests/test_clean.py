"""Cleaning: pure steps that keep frames and masks, and the signing span that trimming goes by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose
from synthetic_signer import BODY, FACE, LEFT, PALM, RIGHT, moved, signer, without

from models.errors import PoseError
from models.pose import clean as cleaning
from models.pose import landmarks, span
from models.pose.clean import CleanOptions, clean
from models.pose.files import read_pose

STEPS: dict[str, Callable[[Pose], Pose]] = {
    "trim": cleaning.trim,
    "reduce": cleaning.reduce,
    "join_wrists": cleaning.join_wrists,
    "normalize": cleaning.normalize,
    "scale": cleaning.scale,
    "anonymize": cleaning.anonymize,
    "fill_hands": cleaning.fill_hands,
    "clean": clean,
    "clean_anonymous": lambda pose: clean(pose, CleanOptions(anonymize=True)),
}
KEEPING = [name for name in STEPS if name not in ("trim", "clean", "clean_anonymous")]


def arrays(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    return np.ma.getdata(pose.body.data), np.asarray(pose.body.confidence)


def assert_same(one: Pose, other: Pose, atol: float = 1e-3) -> None:
    assert one.header.dimensions.width == other.header.dimensions.width
    np.testing.assert_allclose(arrays(one)[1], arrays(other)[1])
    np.testing.assert_allclose(arrays(one)[0], arrays(other)[0], atol=atol)


def with_gap(length: int, first: int = 28) -> Pose:
    return without(signer(), RIGHT, slice(first, first + length))


# Every step


@pytest.mark.parametrize("name", STEPS)
def test_a_step_never_changes_its_input(name: str) -> None:
    pose = with_gap(3)
    data, confidence = (array.copy() for array in arrays(pose))
    mask, size = pose.body.data.mask.copy(), (pose.header.dimensions.width, pose.header.dimensions.height)
    STEPS[name](pose)
    assert (arrays(pose)[0] == data).all()
    assert (arrays(pose)[1] == confidence).all()
    assert (pose.body.data.mask == mask).all()
    assert (pose.header.dimensions.width, pose.header.dimensions.height) == size


@pytest.mark.parametrize("name", STEPS)
def test_a_result_shares_nothing_with_the_input(name: str) -> None:
    pose = signer()
    before = arrays(pose)[0].copy()
    result = STEPS[name](pose)
    result.body.data += 1
    result.body.confidence += 1
    result.header.dimensions.width = 1
    assert (arrays(pose)[0] == before).all()
    assert pose.header.dimensions.width == 640


@pytest.mark.parametrize("name", KEEPING)
def test_only_trimming_changes_the_number_of_frames(name: str) -> None:
    result = STEPS[name](with_gap(3))
    assert len(result.body.data) == 60
    assert result.body.fps == 25


@pytest.mark.parametrize("name", STEPS)
def test_doing_it_twice_is_doing_it_once(name: str) -> None:
    once = STEPS[name](with_gap(3))
    assert_same(once, STEPS[name](once))


@pytest.mark.parametrize("name", STEPS)
def test_masked_landmarks_stay_masked_and_zero(name: str) -> None:
    pose = without(signer(), RIGHT, slice(22, 34))  # 12 frames: too long to fill
    result = STEPS[name](pose)
    start, end = (0, 60) if name in KEEPING else span.signing_span(pose)
    data, confidence = arrays(result)
    assert (span.hand_seen(result, "right") == span.hand_seen(pose, "right")[start:end]).all()
    assert not span.hand_seen(result, "left").any()
    assert (data[confidence == 0] == 0).all()
    assert (np.ma.getmaskarray(result.body.data)[..., 0] == (confidence == 0)).all()


@pytest.mark.parametrize("name", STEPS)
def test_not_a_number_becomes_missing(name: str) -> None:
    pose = signer()
    arrays(pose)[0][5, 0, 40] = np.nan
    arrays(pose)[0][25, 0, RIGHT] = np.inf
    result = STEPS[name](pose)
    assert np.isfinite(arrays(result)[0]).all()
    assert np.isfinite(arrays(result)[1]).all()


@pytest.mark.parametrize("name", STEPS)
def test_one_frame_is_enough(name: str) -> None:
    assert len(STEPS[name](signer(seconds=0.04)).body.data) == 1


@pytest.mark.parametrize("name", [name for name in STEPS if "anonym" not in name])
def test_a_pose_without_face_can_be_cleaned(name: str) -> None:
    pose = signer().get_components([landmarks.BODY, landmarks.LEFT_HAND, landmarks.RIGHT_HAND])
    assert not landmarks.has_component(STEPS[name](pose), landmarks.FACE)


@pytest.mark.parametrize("name", STEPS)
def test_a_pose_without_hands_can_be_cleaned(name: str) -> None:
    pose = signer().get_components([landmarks.BODY, landmarks.FACE])
    assert not landmarks.has_component(STEPS[name](pose), landmarks.LEFT_HAND)


@pytest.mark.parametrize("name", STEPS)
def test_a_pose_that_is_only_a_hand_is_refused_in_words(name: str) -> None:
    with pytest.raises(PoseError, match=r"no POSE_LANDMARKS.*RIGHT_HAND_LANDMARKS"):
        STEPS[name](signer().get_components([landmarks.RIGHT_HAND]))


@pytest.mark.parametrize("name", ["normalize", "scale", "anonymize", "clean"])
def test_without_any_body_seen_there_is_nothing_to_measure_by(name: str) -> None:
    with pytest.raises(PoseError, match="None of the 60 frames"):
        STEPS[name](without(signer(), BODY, slice(None)))


# Normalise and scale


@pytest.mark.parametrize("name", ["normalize", "scale", "clean"])
def test_place_and_size_in_the_picture_make_no_difference(name: str) -> None:
    one, other = STEPS[name](signer()), STEPS[name](moved(signer(), 0.4, (50, -20)))
    np.testing.assert_allclose(arrays(one)[0][..., :2], arrays(other)[0][..., :2], atol=1e-2)


def test_normalized_shoulders_are_one_apart_about_the_origin() -> None:
    body, _ = landmarks.component(cleaning.normalize(signer()), landmarks.BODY)
    np.testing.assert_allclose(body[0, landmarks.LEFT_SHOULDER, :2], (0.5, 0), atol=1e-5)
    np.testing.assert_allclose(body[0, landmarks.RIGHT_SHOULDER, :2], (-0.5, 0), atol=1e-5)


def test_scaled_shoulders_take_two_fifths_of_the_picture() -> None:
    scaled = cleaning.scale(signer(), 1000)
    body, _ = landmarks.component(scaled, landmarks.BODY)
    np.testing.assert_allclose(body[0, landmarks.LEFT_SHOULDER, :2], (700, 500), atol=1e-2)
    assert (scaled.header.dimensions.width, scaled.header.dimensions.height) == (1000, 1000)


def test_world_landmarks_stay_in_metres() -> None:
    before = landmarks.component(signer(), landmarks.WORLD)[0]
    assert (landmarks.component(cleaning.scale(signer()), landmarks.WORLD)[0] == before).all()


def test_the_default_cleaning_is_the_published_functions_in_a_row() -> None:
    from pose_format.utils.generic import (
        correct_wrists,
        normalize_pose_size,
        pose_normalization_info,
        reduce_holistic,
    )

    expected = correct_wrists(reduce_holistic(signer(hands=("left", "right"))))
    expected = expected.normalize(pose_normalization_info(expected.header))
    normalize_pose_size(expected)
    ours = clean(signer(hands=("left", "right")), CleanOptions(trim=False))
    seen = arrays(ours)[1] > 0
    np.testing.assert_allclose(arrays(ours)[0][seen], arrays(expected)[0][seen], atol=1e-2)
    assert ours.header.total_points() == 178


# Wrists and gaps


def test_joined_wrists_follow_the_hand_but_keep_the_arms_depth() -> None:
    pose = signer()
    arrays(pose)[0][:, 0, 16] += (7, 7, -0.5)
    body, _ = landmarks.component(cleaning.join_wrists(pose), landmarks.BODY)
    hand, _ = landmarks.component(pose, landmarks.RIGHT_HAND)
    there = span.hand_seen(pose, "right")
    assert (body[there, 16, :2] == hand[there, 0, :2]).all()
    assert (body[:, 16, 2] == -0.5).all()
    np.testing.assert_allclose(body[~there, 16, :2], arrays(pose)[0][~there, 0, 16, :2])


def test_a_filled_gap_lies_on_the_line_carried_by_the_wrist_and_says_so() -> None:
    truth = signer()
    filled = cleaning.fill_hands(with_gap(4), max_gap_ms=160)
    points, confidence = landmarks.component(filled, landmarks.RIGHT_HAND)
    expected, _ = landmarks.component(truth, landmarks.RIGHT_HAND)
    np.testing.assert_allclose(points, expected, atol=1e-3)  # a rigid hand follows the wrist exactly
    assert (confidence[28:32] == 0.5).all()
    assert (confidence[[27, 32]] == 1).all()


def test_a_hand_without_a_known_arm_is_filled_in_a_straight_line() -> None:
    pose = without(with_gap(1), BODY, slice(28, 29))
    points, _ = landmarks.component(cleaning.fill_hands(pose), landmarks.RIGHT_HAND)
    np.testing.assert_allclose(points[28], (points[27] + points[29]) / 2, atol=1e-3)


@pytest.mark.parametrize(("fps", "frames", "filled"), [(25, 5, True), (25, 6, False), (50, 10, True), (50, 11, False)])
def test_the_longest_gap_is_meant_in_milliseconds(fps: float, frames: int, filled: bool) -> None:
    first = round(1.1 * fps)
    pose = without(signer(fps=fps), RIGHT, slice(first, first + frames))
    assert span.hand_seen(cleaning.fill_hands(pose, max_gap_ms=200), "right")[first] == filled


def test_gaps_at_the_ends_stay_missing() -> None:
    pose = without(signer(rest_visible=True), RIGHT, [0, 1, 58, 59])
    there = span.hand_seen(cleaning.fill_hands(pose), "right")
    assert not there[[0, 1, 58, 59]].any()


def test_zero_fills_nothing() -> None:
    assert_same(cleaning.fill_hands(with_gap(1), 0), with_gap(1), atol=0)


# Anonymity


def test_two_signers_of_different_build_come_out_with_one_body_and_face() -> None:
    other = signer()
    data = arrays(other)[0]
    data[:, 0, FACE, 0] = 320 + (data[:, 0, FACE, 0] - 320) * 1.3
    data[:, 0, 23:25, 1] += 60
    one, two = cleaning.anonymize(signer()), cleaning.anonymize(other)
    for part in (landmarks.FACE, landmarks.BODY):
        np.testing.assert_allclose(landmarks.component(one, part)[0], landmarks.component(two, part)[0], atol=0.05)
    assert not landmarks.has_component(one, landmarks.WORLD)


def test_anonymous_hands_move_as_they_did() -> None:
    one, plain = cleaning.anonymize(signer()), cleaning.scale(signer())
    np.testing.assert_allclose(
        landmarks.component(one, landmarks.RIGHT_HAND)[0][..., :2],
        landmarks.component(plain, landmarks.RIGHT_HAND)[0][..., :2],
        atol=1e-2,
    )


def test_a_face_missing_at_first_is_measured_where_it_is_seen() -> None:
    late = cleaning.anonymize(without(signer(), FACE, slice(0, 3)))
    expected = landmarks.component(cleaning.anonymize(signer()), landmarks.FACE)[0]
    points, confidence = landmarks.component(late, landmarks.FACE)
    assert not confidence[:3].any()
    np.testing.assert_allclose(points[3:], expected[3:], atol=0.05)


def test_a_face_never_seen_stays_missing_and_the_rest_is_made_anonymous() -> None:
    result = cleaning.anonymize(without(signer(), FACE, slice(None)))
    assert not landmarks.seen(result, landmarks.FACE).any()
    assert landmarks.seen(result, landmarks.BODY).all()


def test_arms_raised_throughout_keep_their_elbows() -> None:
    pose = signer(seconds=0.8, signing=(-0.4, 1.4))
    names = landmarks.point_names(pose, landmarks.BODY)
    assert span.raised_hand(pose, "right").all()
    for joint in ("LEFT_ELBOW", "RIGHT_ELBOW"):
        index = names.index(joint)
        ours = landmarks.component(cleaning.anonymize(pose), landmarks.BODY)[0][:, index]
        np.testing.assert_allclose(ours, landmarks.component(cleaning.scale(pose), landmarks.BODY)[0][:, index])


# The signing span


def test_the_span_runs_from_leaving_rest_to_coming_back() -> None:
    start, end = span.signing_span(signer())
    # Up at 0.8 s (frame 20) and down at 1.6 s (frame 40); a quarter of the way up takes one frame, the margin is two.
    assert 18 <= start <= 21
    assert 39 <= end <= 42
    assert len(cleaning.trim(signer()).body.data) == end - start


def test_the_span_agrees_with_the_published_one_where_arms_hang_at_rest() -> None:
    from spoken_to_signed.gloss_to_pose.concatenate import active_signing_span

    for published, ours in zip(active_signing_span(signer()), span.signing_span(signer()), strict=True):
        assert abs(published - ours) <= 5


@pytest.mark.parametrize("fps", [12.5, 50.0])
def test_the_span_in_seconds_does_not_depend_on_the_frame_rate(fps: float) -> None:
    at_25 = np.array(span.signing_span(signer())) / 25
    np.testing.assert_allclose(np.array(span.signing_span(signer(fps=fps))) / fps, at_25, atol=0.1)


def test_the_span_does_not_depend_on_size_place_or_reduction() -> None:
    expected = span.signing_span(signer())
    assert span.signing_span(moved(signer(), 0.3, (100, 100))) == expected
    assert span.signing_span(cleaning.reduce(signer())) == expected
    assert span.signing_span(cleaning.normalize(signer())) == expected


def test_a_sign_below_the_elbow_is_found() -> None:
    pose = signer()
    data = arrays(pose)[0]
    data[:, 0, 16, 1] = 395 + (data[:, 0, 16, 1] - 395) * 0.5  # the wrist stays under the elbow at y = 300
    assert (data[:, 0, 16, 1] > 300).all()
    start, end = span.signing_span(pose)
    assert 17 <= start <= 22
    assert 38 <= end <= 43


def test_a_landmark_that_jumps_for_one_frame_is_no_signing() -> None:
    pose = signer()
    arrays(pose)[0][4, 0, 15, 1] = 100
    assert span.signing_span(pose) == span.signing_span(signer())


def test_nothing_is_trimmed_where_no_hand_is_raised() -> None:
    assert span.signing_span(signer(hands=())) == (0, 60)
    assert span.signing_span(without(signer(), BODY, slice(None))) == (0, 60)


@pytest.mark.parametrize(
    ("hands", "expected"), [(("right",), "right"), (("left",), "left"), (("left", "right"), None), ((), None)]
)
def test_the_dominant_hand_is_the_one_that_moves(hands: tuple[str, ...], expected: str | None) -> None:
    assert span.dominant_hand(signer(hands=hands)) == expected
    assert span.dominant_hand(cleaning.normalize(signer(hands=hands))) == expected


def test_which_hand_leads_is_unclear_when_a_raised_hand_was_lost_most_of_the_time() -> None:
    pose = signer(hands=("left", "right"))
    arrays(pose)[0][20:40, 0, 15, 0] += 40 * (np.arange(20) % 2)  # the left wrist wanders
    assert span.dominant_hand(without(pose, LEFT, slice(None))) is None


def test_frames_in_which_a_hand_was_lost_do_not_make_it_lead() -> None:
    pose = signer(hands=("left", "right"))
    arrays(pose)[0][28:34, 0, 15, 0] += 300
    assert span.dominant_hand(pose) == "left"
    assert span.dominant_hand(without(pose, LEFT, slice(26, 36))) is None


def test_a_pose_without_hands_still_tells_by_its_arms() -> None:
    assert span.dominant_hand(signer().get_components([landmarks.BODY])) == "right"


def test_wrist_speed_is_in_shoulder_widths_per_second() -> None:
    speed = span.wrist_speed(signer(seconds=4, signing=(0.4, 3.6)), "right")
    # A circle of 30 px at 8 rad/s is 240 px/s, at 120 px between the shoulders; averaging cuts the corners a little.
    np.testing.assert_allclose(speed[25:75], 2.0, rtol=0.05)
    assert (span.wrist_speed(signer(), "left") == 0).all()


# Options and foreign files


def test_options_that_make_no_sense_are_refused_in_words() -> None:
    with pytest.raises(PoseError, match="-1 ms"):
        CleanOptions(fill_gap_ms=-1)
    with pytest.raises(PoseError, match="0 pixels"):
        CleanOptions(width=0)
    with pytest.raises(ValueError, match="confidence"):
        cleaning.fill_hands(signer(), confidence=1.0)


def test_options_switch_every_step_off() -> None:
    nothing = CleanOptions(fill_gap_ms=0, reduce=False, join_wrists=False, normalize=False, width=None, trim=False)
    assert_same(clean(with_gap(2), nothing), with_gap(2), atol=0)


def test_a_hand_is_as_large_as_the_test_says() -> None:
    points, _ = landmarks.component(signer(), landmarks.RIGHT_HAND)
    assert np.linalg.norm(points[30, 9, :2] - points[30, 0, :2]) == pytest.approx(PALM)


@pytest.mark.real
def test_foreign_pose_files_are_cleaned_or_refused_in_words(real_data: Path) -> None:
    files = sorted((real_data / "pose_files").glob("*/*.pose"))
    assert files
    refused = []
    for path in files:
        try:
            cleaned = clean(read_pose(path), CleanOptions(anonymize=True))
        except PoseError as error:
            refused.append((path.name, str(error)))
            continue
        assert cleaned.header.total_points() == 178
        assert np.isfinite(arrays(cleaned)[0]).all()
    reasons = {"openpose": "first version", "hand_normalized": "no POSE_LANDMARKS", "sample1000": "4 coordinates"}
    for name, message in refused:
        assert any(key in name and reason in message for key, reason in reasons.items()), (name, message)
