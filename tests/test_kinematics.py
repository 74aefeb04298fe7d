"""The body, hand and arm models: lengths that never change, angles worked out by hand, limits, the camera."""

import numpy as np
import pytest

from models.lexicon import hand
from models.lexicon.arm import MAX_REACH, shoulder_girdle, solve_arm, wrist_angles
from models.lexicon.body import Body, Framing, SignerStyle, project
from models.lexicon.motion import minimum_jerk
from models.lexicon.phonology_files import load_phonology

STRAIGHT = np.zeros((1, hand.NUM_JOINTS))
BONES = [(1, 2), (2, 3), (3, 4), *((b + i, b + i + 1) for b in (5, 9, 13, 17) for i in range(3))]
FACING = np.eye(3)[None]  # fingers up, palm forward


HANDSHAPES = load_phonology().handshapes


def shape(name: str) -> np.ndarray:
    joints = HANDSHAPES[name].joints
    return hand.hand_points(np.array(joints)[None])[0]


def arm(wrist, shoulder=(-0.158, 0.45, 0.0), axes=FACING, elbow_out=0.0):
    wrist = np.atleast_2d(np.array(wrist, dtype=float))
    count = len(wrist)
    return solve_arm(
        np.broadcast_to(np.array(shoulder, dtype=float), (count, 3)),
        wrist,
        np.broadcast_to(axes, (count, 3, 3)),
        upper_arm_m=0.27,
        forearm_m=0.245,
        elbow_out=np.full(count, elbow_out),
    )


def test_a_straight_finger_points_along_the_hand_and_a_right_angle_points_out_of_the_palm():
    index = hand.hand_points(STRAIGHT)[0, 5:9]
    assert np.allclose(index[3] - index[0], [0, hand.PHALANGES_M[0].sum(), 0])
    bent = STRAIGHT.copy()
    bent[0, 1] = np.pi / 2
    index = hand.hand_points(bent)[0, 5:9]
    assert np.allclose(index[3] - index[0], [-0.02 * 0.090, 0, 0.090], atol=1e-4)


def test_bones_of_the_hand_keep_their_length_in_any_posture():
    low, high = hand.joint_limits()
    joints = np.random.default_rng(0).uniform(low, high, (50, hand.NUM_JOINTS))
    points = hand.hand_points(joints)
    for start, end in BONES:
        lengths = np.linalg.norm(points[:, end] - points[:, start], axis=1)
        assert np.ptp(lengths) < 1e-9


def test_handshapes_stay_within_the_limits_of_the_joints():
    low, high = hand.joint_limits()
    for handshape in HANDSHAPES.values():
        joints = np.array(handshape.joints)
        broken = np.flatnonzero((joints < low - 1e-6) | (joints > high + 1e-6))
        assert not len(broken), f"{handshape.name}: {[hand.joint_name(int(index)) for index in broken]}"


@pytest.mark.parametrize(("name", "finger"), [("F", 8), ("8", 12), ("7", 16), ("6", 20), ("O", 8), ("D", 12)])
def test_thumb_and_finger_meet_in_the_handshapes_where_they_should(name, finger):
    points = shape(name)
    assert np.linalg.norm(points[4] - points[finger]) < 0.020


def test_fingers_are_apart_in_v_together_in_u_and_crossed_in_r():
    gap = {name: shape(name)[8, 0] - shape(name)[12, 0] for name in ("V", "U", "R")}
    assert gap["V"] > 0.04 > 0.03 > gap["U"] > 0 > gap["R"]


def test_the_thumb_of_y_and_l_sticks_out_and_that_of_s_lies_across():
    for name in ("Y", "L"):
        assert shape(name)[4, 0] > 0.08
    assert shape("S")[4, 0] < 0.02 and shape("S")[4, 2] > 0.04


def test_every_part_of_the_hand_has_a_point_near_the_hand():
    points = hand.hand_points(STRAIGHT)
    for part in hand.PARTS:
        nearest = np.linalg.norm(points[0] - hand.part_point(points, part)[0], axis=1).min()
        assert nearest < 0.05, part


def test_the_arm_reaches_the_wrist_with_bones_of_constant_length():
    rng = np.random.default_rng(1)
    directions = rng.normal(0, 1, (40, 3)) * [1, 1, 0] + [0, 0, 1]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    wrist = np.array([-0.158, 0.45, 0]) + directions * rng.uniform(0.2, 0.5, (40, 1))
    pose = arm(wrist)
    assert np.allclose(pose.wrist, wrist)
    assert np.allclose(np.linalg.norm(pose.elbow - pose.shoulder, axis=1), 0.27)
    assert np.allclose(np.linalg.norm(pose.wrist - pose.elbow, axis=1), 0.245)


def test_a_wrist_out_of_reach_is_pulled_in_and_reported():
    pose = arm([-0.158, 0.45, 0.8])
    assert pose.stretch[0] == pytest.approx(0.8 / 0.515)
    assert np.linalg.norm(pose.wrist[0] - pose.shoulder[0]) == pytest.approx(MAX_REACH * 0.515)


def test_the_elbow_hangs_below_a_hand_in_front_and_lifts_when_asked():
    forward = np.stack([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]], axis=1)[None]  # fingers forward, palm down
    hanging, lifted = (arm([-0.15, 0.30, 0.28], axes=forward, elbow_out=out) for out in (0.0, 1.0))
    assert hanging.elbow[0, 1] < 0.30
    assert lifted.elbow[0, 1] > hanging.elbow[0, 1] + 0.03
    assert lifted.elbow[0, 0] < hanging.elbow[0, 0]


def test_the_elbow_does_not_jump_while_the_wrist_moves_smoothly():
    progress = np.linspace(0, 1, 60)[:, None]
    wrist = np.array([-0.10, 0.10, 0.25]) + progress * np.array([0.05, 0.55, -0.10])
    steps = np.linalg.norm(np.diff(arm(wrist).elbow, axis=0), axis=1)
    assert steps.max() < 0.03


def test_wrist_angles_are_zero_for_a_hand_in_line_and_signed_towards_palm_thumb_and_pronation():
    shoulder, elbow, wrist = np.zeros((1, 3)), np.array([[[0, -0.27, 0.0]]]), np.array([[0, -0.27, 0.245]])

    def angles(thumb, fingers, palm):
        axes = np.stack([thumb, fingers, palm], axis=1)[None].astype(float)
        return [float(np.degrees(angle[0, 0])) for angle in wrist_angles(elbow, shoulder, wrist, axes)]

    assert angles([0, 1, 0], [0, 0, 1], [1, 0, 0]) == pytest.approx([0, 0, 0])  # thumb up, palm in
    assert angles([1, 0, 0], [0, 0, 1], [0, -1, 0])[2] == pytest.approx(90)  # palm down
    assert angles([-1, 0, 0], [0, 0, 1], [0, 1, 0])[2] == pytest.approx(-90)  # palm up
    flexed = angles([1, 0, 0], [0, -0.6, 0.8], [0, -0.8, -0.6])
    assert flexed[0] == pytest.approx(np.degrees(np.arctan2(0.6, 0.8)))
    assert angles([0, 0.8, -0.6], [0, 0.6, 0.8], [1, 0, 0])[1] == pytest.approx(np.degrees(np.arcsin(0.6)))


def test_the_shoulder_rises_with_a_raised_arm_and_stays_for_a_hanging_one():
    rest = Body().shoulder
    moved = shoulder_girdle(rest, np.array([[-0.2, 0.7, 0.1], [-0.2, 0.05, 0.1]]), 0.515)
    assert moved[0, 1] > rest[1] + 0.02
    assert np.allclose(moved[1], rest, atol=0.005)


def test_minimum_jerk_starts_and_ends_at_rest_and_peaks_at_fifteen_eighths():
    phase = np.linspace(0, 1, 10001)
    speed = np.gradient(minimum_jerk(phase), phase)
    assert minimum_jerk(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist() == [0, 0, 0.5, 1, 1]
    assert speed.max() == pytest.approx(15 / 8, abs=1e-3)
    assert speed[0] == pytest.approx(0, abs=1e-3) and speed[-1] == pytest.approx(0, abs=1e-3)


def test_the_camera_shows_the_shoulders_as_wide_as_asked_and_the_signers_left_on_the_right():
    style = SignerStyle(framing=Framing(shoulder_fraction=0.33))
    right = style.body.shoulder
    points = project(np.stack([right, right * [-1, 1, 1]]), style, width=640, height=512)
    assert points[1, 0] - points[0, 0] == pytest.approx(0.33 * 512)
    assert points[:, 0].mean() == pytest.approx(320)


def test_nearer_points_are_larger_and_have_smaller_depth():
    style = SignerStyle()
    pair = np.array([[-0.1, 0.5, 0.0], [0.1, 0.5, 0.0]])
    far, near = (
        project(pair, style, width=512, height=512),
        project(pair + np.array([0, 0, 0.3]), style, width=512, height=512),
    )
    assert np.ptp(near[:, 0]) == pytest.approx(np.ptp(far[:, 0]) * 1.9 / 1.6)
    assert (near[:, 2] < far[:, 2]).all()


def test_random_signers_are_reproducible_different_and_plausible():
    styles = [SignerStyle.random(seed) for seed in range(40)]
    assert SignerStyle.random(7) == styles[7]
    assert len({style.body.shoulder_half_width_m for style in styles}) == 40
    assert {style.left_handed for style in styles} == {True, False}
    assert all(0.12 < style.body.shoulder_half_width_m < 0.20 for style in styles)


@pytest.mark.parametrize(
    "options",
    [{"tempo": 9}, {"amplitude": 0}, {"sloppiness": 2}, {"hands_rest": "pockets"}],
    ids=lambda o: next(iter(o)),
)
def test_a_style_outside_its_limits_is_refused_with_the_value(options):
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        SignerStyle(**options)
