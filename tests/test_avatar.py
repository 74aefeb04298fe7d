"""The drawn signer: what a viewer sees, and what MediaPipe reads back."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose

from models.errors import LexiconError, PoseError
from models.lexicon.avatar import LOOKS, Look, Signer, draw_signer, render_avatar
from models.lexicon.avatar_figure import figure
from models.lexicon.avatar_skin import HandBuffer
from models.lexicon.face import neutral_face
from models.lexicon.looks import find_look
from models.pose import landmarks
from models.pose.clean import reduce

WIDTH, HEIGHT = 480, 480
LEFT_HAND = slice(33 + 468, 33 + 468 + 21)
RIGHT_HAND = slice(33 + 468 + 21, 33 + 468 + 42)
FACE = slice(33, 33 + 468)
PALM = 42.0
# x, y about the middle of the shoulders in px, for the landmarks of a signer who faces the camera.
BODY = {0: (0, -80), 2: (13, -95), 5: (-13, -95), 7: (34, -85), 8: (-34, -85), 9: (12, -60), 10: (-12, -60),
        11: (72, 0), 12: (-72, 0), 13: (100, 120), 14: (-100, 120), 15: (95, 225), 16: (-95, 225),
        23: (50, 220), 24: (-50, 220)}  # fmt: skip


def finger(base: tuple[float, float], lengths: tuple[float, ...], bend_deg: float, spread_deg: float) -> np.ndarray:
    """(4, 3) joints: x to the thumb's side, y along the hand, z out of the palm, in palm lengths; each joint bends."""
    joints, spread = [np.array([*base, 0.0])], np.radians(spread_deg)
    for step, length in enumerate(lengths, start=1):
        angle = np.radians(min(bend_deg * step, 260))
        direction = np.array([np.sin(spread) * np.cos(angle), np.cos(spread) * np.cos(angle), np.sin(angle)])
        joints.append(joints[-1] + length * direction)
    return np.array(joints)


def hand(bends_deg: tuple[float, float, float, float] = (0, 0, 0, 0), *, thumb_in: bool = False) -> np.ndarray:
    """(21, 3) of a right hand with the palm to the camera and the fingers up, px about the wrist, z away."""
    bases = ((0.26, 0.97), (0.03, 1.0), (-0.19, 0.95), (-0.39, 0.85))
    lengths = ((0.44, 0.26, 0.22), (0.49, 0.30, 0.23), (0.45, 0.29, 0.22), (0.35, 0.20, 0.19))
    parts = [finger(b, n, d, s) for b, n, d, s in zip(bases, lengths, bends_deg, (8, 1, -6, -14), strict=True)]
    thumb = [(0.22, 0.25, 0.08), (0.45, 0.50, 0.16), (0.62, 0.72, 0.20), (0.74, 0.92, 0.20)]
    if thumb_in:
        thumb = [(0.22, 0.25, 0.12), (0.38, 0.52, 0.30), (0.20, 0.72, 0.42), (-0.06, 0.76, 0.44)]
    points = np.concatenate([[(0, 0, 0)], thumb, *parts])
    return points * PALM * (1, -1, -1)


OPEN, FIST, POINT = hand(), hand((88, 88, 88, 88), thumb_in=True), hand((0, 88, 88, 88), thumb_in=True)


def signer(
    hands: dict[str, tuple[np.ndarray, tuple[float, float, float]]] | None = None, *, frames: int = 1, face: bool = True
) -> Pose:
    """A pose of a signer with exact depth; hands: side -> (right-hand shape, wrist x, y, z about the shoulders, px)."""
    data, confidence = np.zeros((frames, 576, 3)), np.zeros((frames, 576))
    middle = np.array([WIDTH / 2, 190, 0])
    for index in range(33):
        data[:, index, :2] = middle[:2] + BODY.get(index, (0, 0))
    confidence[:, :33] = 1
    data[:, 0, 2], data[:, [7, 8], 2] = -40 / WIDTH, 0
    if face:
        data[:, FACE] = face_mesh() + middle + (0, -82, 0)
        data[:, FACE, 2] /= WIDTH
        confidence[:, FACE] = 1
    for side, (shape, place) in (hands or {}).items():
        part, wrist, elbow = (LEFT_HAND, 15, 13) if side == "left" else (RIGHT_HAND, 16, 14)
        mirrored = shape * ((-1, 1, 1) if side == "left" else (1, 1, 1))
        wrist_at = middle + place
        data[:, part] = mirrored + np.array([*wrist_at[:2], 0])
        data[:, part, 2] /= WIDTH
        data[:, wrist] = (*wrist_at[:2], place[2] / WIDTH)
        data[:, elbow, :2] = wrist_at[:2] + np.array([40 if side == "left" else -40, 105])
        data[:, elbow, 2] = place[2] / WIDTH / 2
        confidence[:, part] = 1
    return landmarks.holistic_pose(data, confidence, fps=25, width=WIDTH, height=HEIGHT)


def face_mesh() -> np.ndarray:
    """(468, 3) of the project's neutral face, px about the head's middle, z away."""
    return neutral_face() * (1, -1, -1) * (92.0 / 0.176)


@pytest.fixture(scope="module")
def waving() -> Pose:
    pose = signer({"right": (OPEN, (-95, 60, -60)), "left": (OPEN, (95, 60, -60))}, frames=6)
    data = np.ma.getdata(pose.body.data).copy()
    data[:, 0, RIGHT_HAND, 0] += 3 * np.arange(6)[:, None]
    return landmarks.with_arrays(pose, data, np.asarray(pose.body.confidence))


def test_drawing_a_pose_twice_gives_the_same_pictures(waving: Pose) -> None:
    first, again = (list(render_avatar(waving, LOOKS["mei"])) for _ in range(2))
    assert len(first) == 6
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_frame_looks_the_same_drawn_alone_and_within_its_clip(waving: Pose) -> None:
    *_, last = render_avatar(waving, LOOKS["alex"])
    assert np.array_equal(last, draw_signer(waving, 5, LOOKS["alex"]))


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, (480, 480)),
        ({"width": 256}, (256, 256)),
        ({"height": 300}, (300, 300)),
        ({"width": 320, "height": 180}, (320, 180)),
    ],
)
def test_pictures_have_the_size_asked_for(waving: Pose, asked: dict[str, int], size: tuple[int, int]) -> None:
    frame = next(render_avatar(waving, LOOKS["ravi"], **asked))
    assert frame.shape == (size[1], size[0], 3)
    assert frame.dtype == np.uint8


def test_another_shape_of_picture_keeps_the_signers_proportions(waving: Pose) -> None:
    wide, square = figure(waving, 640, 240), figure(waving, 240, 240)
    np.testing.assert_allclose(wide.body[..., 0] - 200, square.body[..., 0], atol=1e-3)
    np.testing.assert_allclose(wide.body[..., 1], square.body[..., 1], atol=1e-3)


def test_an_impossible_size_is_refused(waving: Pose) -> None:
    with pytest.raises(ValueError, match="8x8"):
        draw_signer(waving, 0, LOOKS["alex"], (8, 8))
    with pytest.raises(IndexError, match="6"):
        draw_signer(waving, 6, LOOKS["alex"])


@pytest.mark.parametrize("missing", [[FACE], [LEFT_HAND], [LEFT_HAND, RIGHT_HAND], [FACE, LEFT_HAND, RIGHT_HAND]])
def test_what_a_pose_lacks_is_filled_in(waving: Pose, missing: list[slice]) -> None:
    confidence = np.asarray(waving.body.confidence).copy()
    for part in missing:
        confidence[:, :, part] = 0
    gappy = landmarks.with_arrays(waving, np.ma.getdata(waving.body.data), confidence)
    for look in LOOKS.values():
        drawn = draw_signer(gappy, 0, look, (256, 256))
        wall = draw_signer(signer(), 0, look, (256, 256))[:8, :8]
        assert np.abs(drawn[:8, :8].astype(int) - wall).max() < 4  # the wall is still there
        assert drawn[60:90, 112:144].std() > 4  # and so is a face with features


def test_a_face_lost_for_a_frame_stays_where_the_head_goes(waving: Pose) -> None:
    data, confidence = np.ma.getdata(waving.body.data).copy(), np.asarray(waving.body.confidence).copy()
    data[3, 0, :11, :2] += (20, 10)
    confidence[3, :, FACE] = 0
    fig = figure(landmarks.with_arrays(waving, data, confidence), WIDTH, HEIGHT)
    np.testing.assert_allclose(fig.face[3, [10, 152, 1], :2] - fig.face[2, [10, 152, 1], :2], [(20, 10)] * 3, atol=0.1)


def test_frames_without_a_body_show_the_empty_wall_and_a_pose_without_any_is_refused(waving: Pose) -> None:
    confidence = np.asarray(waving.body.confidence).copy()
    confidence[2] = 0
    some = landmarks.with_arrays(waving, np.ma.getdata(waving.body.data), confidence)
    alpha = Signer(some, LOOKS["alex"]).frame(2, background=False)[..., 3]
    assert not alpha.any()
    with pytest.raises(PoseError, match="6 frames"):
        render_avatar(landmarks.with_arrays(waving, np.ma.getdata(waving.body.data), confidence * 0), LOOKS["alex"])


def test_a_reduced_pose_is_drawn_much_like_the_whole_one(waving: Pose) -> None:
    reduced = reduce(waving)
    assert reduced.body.data.shape[2] == 178
    whole, less = (draw_signer(pose, 2, LOOKS["ravi"]).astype(float) for pose in (waving, reduced))
    assert np.abs(whole - less).mean() < 1.5
    fig = figure(reduced, WIDTH, HEIGHT)
    np.testing.assert_allclose(
        fig.face[2, [1, 4, 50, 280], :2], figure(waving, WIDTH, HEIGHT).face[2, [1, 4, 50, 280], :2], atol=0.5
    )


def test_a_pose_without_arms_is_refused_with_what_to_do(waving: Pose) -> None:
    headless = waving.get_components(
        ["POSE_LANDMARKS"], {"POSE_LANDMARKS": ["NOSE", "LEFT_SHOULDER", "RIGHT_SHOULDER"]}
    )
    with pytest.raises(PoseError, match="elbows"):
        draw_signer(headless, 0, LOOKS["alex"])


def test_a_pose_of_foreign_names_or_without_a_size_is_refused_or_drawn_without_them(waving: Pose) -> None:
    foreign = copy.deepcopy(reduce(waving))
    body, face = foreign.header.components[:2]
    face.points[0] = "chin"
    assert figure(foreign, WIDTH, HEIGHT).face.shape == (6, 468, 3)
    body.points[-1] = "TAIL"
    with pytest.raises(PoseError, match="TAIL"):
        figure(foreign, WIDTH, HEIGHT)
    flat = copy.deepcopy(waving)
    flat.header.dimensions.width = 0
    with pytest.raises(PoseError, match="0 x 480"):
        figure(flat, WIDTH, HEIGHT)


def test_garbage_coordinates_do_not_crash(waving: Pose) -> None:
    rng = np.random.default_rng(3)
    data = np.ma.getdata(waving.body.data) + rng.normal(0, 400, waving.body.data.shape)
    data[0, 0, 40:60] = np.nan
    data[1, 0, RIGHT_HAND] = 1e12
    wild = landmarks.with_arrays(waving, data, np.asarray(waving.body.confidence))
    assert sum(frame.shape == (160, 160, 3) for frame in render_avatar(wild, LOOKS["sofia"], width=160)) == 6


def pixel_at(pose: Pose, look: Look, x: float, y: float) -> np.ndarray:
    return (
        draw_signer(pose, 0, look)[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4].astype(float).mean((0, 1))
    )


def test_a_hand_nearer_than_the_face_covers_it_and_a_farther_one_does_not() -> None:
    mouth = (WIDTH / 2, 190 - 82 + 24)
    palm_on_mouth = (-2, -32, 0)
    bare = pixel_at(signer(), LOOKS["mei"], *mouth)
    before = signer({"right": (OPEN, (*palm_on_mouth[:2], -70))})
    behind = signer({"right": (OPEN, (*palm_on_mouth[:2], 60))})
    assert np.abs(pixel_at(before, LOOKS["mei"], *mouth) - bare).max() > 15
    np.testing.assert_allclose(pixel_at(behind, LOOKS["mei"], *mouth), bare, atol=3)


def test_of_two_hands_the_nearer_covers_the_farther() -> None:
    near, far = (0, 130, -90), (0, 130, -20)
    right_front = signer({"right": (FIST, near), "left": (OPEN, far)})
    left_front = signer({"right": (FIST, far), "left": (OPEN, near)})
    alone = signer({"right": (FIST, near)})
    spot = slice(190 + 130 - 40, 190 + 130 - 12), slice(WIDTH // 2 - 12, WIDTH // 2 + 12)
    shown, hidden, fist = (
        draw_signer(pose, 0, LOOKS["mei"])[spot].astype(float) for pose in (right_front, left_front, alone)
    )
    assert np.abs(shown - fist).mean() < 4 < np.abs(hidden - fist).mean()


def test_transparency_holds_the_person_and_nothing_else(waving: Pose) -> None:
    rgba = next(render_avatar(waving, LOOKS["kofi"], background=False))
    assert rgba.shape == (HEIGHT, WIDTH, 4)
    assert rgba[0, 0, 3] == 0 and rgba[300, 240, 3] == 255
    assert 0.2 < (rgba[..., 3] > 0).mean() < 0.7


def test_a_transparent_signer_over_the_wall_is_the_opaque_picture(waving: Pose) -> None:
    wall_look = LOOKS["ingrid"]
    rgba = next(render_avatar(waving, wall_look, background=False)).astype(float)
    wall = Signer(waving, wall_look)._backdrop.astype(float)
    share = rgba[..., 3:] / 255
    pasted = rgba[..., :3] * share + wall * (1 - share)
    assert np.abs(pasted - next(render_avatar(waving, wall_look))).mean() < 0.5


def test_the_back_of_a_hand_shows_nails_and_its_palm_does_not() -> None:
    def towards_camera(points: np.ndarray, side: str) -> np.ndarray:
        blank = np.zeros((2, 2), np.float32)
        buffer = HandBuffer(
            depth=blank, ids=blank.astype(np.uint8), points=points.astype(np.float32), radii=blank, palm=PALM, side=side
        )
        return np.concatenate([[-buffer.palm_normal[2]], -buffer.dorsals[1:, 0, 2]])

    palm = towards_camera(OPEN, "right")
    assert palm[0] > 0.9 and (palm[1:] < -0.9).all()
    back = towards_camera(OPEN * (-1, 1, -1), "right")
    assert back[0] < -0.9 and (back[1:] > 0.9).all()
    np.testing.assert_allclose(towards_camera(OPEN * (-1, 1, 1), "left"), palm, atol=1e-6)


def test_exaggerated_body_depth_is_scaled_to_an_arms_reach() -> None:
    pose = signer({"right": (OPEN, (-95, 60, -60))}, frames=2)
    exact = figure(pose, WIDTH, HEIGHT)
    data = np.ma.getdata(pose.body.data).copy()
    data[:, 0, :33, 2] *= 20
    loud = figure(landmarks.with_arrays(pose, data, np.asarray(pose.body.confidence)), WIDTH, HEIGHT)
    assert exact.body[0, 16, 2] == pytest.approx(-60, abs=0.1)
    assert loud.body[0, 16, 2] == pytest.approx(-1.5 * 144, rel=0.02)
    np.testing.assert_allclose(loud.hands["right"][0, :, 2] - loud.body[0, 16, 2], OPEN[:, 2], atol=0.1)


@pytest.mark.real
def test_pose_files_of_real_people_are_drawn_or_refused_in_words(real_data: Path) -> None:
    paths = sorted(real_data.glob("pose_files/**/*.pose"))
    assert paths
    for path in paths:
        pose = Pose.read(path.read_bytes())
        if not landmarks.has_component(pose, landmarks.BODY):
            with pytest.raises(PoseError, match="POSE_LANDMARKS"):
                Signer(pose, LOOKS["alex"], width=320)
            continue
        signer = Signer(pose, LOOKS["alex"], width=320)
        drawn = signer.frame(signer.num_frames // 2, background=False)
        assert 0.05 < (drawn[..., 3] > 0).mean() < 1, path.name


def test_every_look_lets_the_hands_stand_out() -> None:
    assert len(LOOKS) >= 6
    for look in [*LOOKS.values(), *(Look.random(seed) for seed in range(40))]:
        assert look.contrast > 1.9, look
    assert Look.random(5) == Look.random(5) != Look.random(6)


@pytest.mark.parametrize("name", ["nobody", "²", pytest.param("9" * 5000, id="thousands of digits"), ""])
def test_a_look_that_is_none_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(LexiconError, match="sofia"):
        find_look(name)
    assert find_look(" Sofia ") is LOOKS["sofia"] and find_look("7") == Look.random(7)


def test_a_look_with_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="mohawk"):
        Look(skin=(200, 160, 130), hair=(0, 0, 0), hair_style="mohawk", shirt=(0, 0, 0))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="build"):
        Look(skin=(200, 160, 130), hair=(0, 0, 0), hair_style="crop", shirt=(0, 0, 0), build=3)


def test_mediapipe_reads_body_face_and_both_hands_back_each_on_its_own_side() -> None:
    import mediapipe as mp

    pose = signer({"right": (OPEN, (-115, 70, -70)), "left": (POINT, (115, 70, -70))}, frames=1)
    frame = draw_signer(pose, 0, LOOKS["alex"], (640, 640))
    wanted = figure(pose, 640, 640)
    with mp.solutions.holistic.Holistic(static_image_mode=False, model_complexity=1) as holistic:
        for _ in range(4):
            result = holistic.process(frame)
    assert result.pose_landmarks and result.face_landmarks
    for side, read in (("left", result.left_hand_landmarks), ("right", result.right_hand_landmarks)):
        assert read, side
        points = np.array([(point.x, point.y) for point in read.landmark]) * 640
        away = np.linalg.norm(points - wanted.hands[side][0, :, :2], axis=1).mean()
        assert away < 0.2 * np.linalg.norm(wanted.hands[side][0, 5] - wanted.hands[side][0, 17]), side
