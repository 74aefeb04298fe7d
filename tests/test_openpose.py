"""OpenPose keypoints from MediaPipe landmarks, and the ControlNet map drawn of them."""

import json

import cv2
import numpy as np
import pytest

from models.errors import PoseError
from models.pose import landmarks, openpose_json
from models.pose.openpose import (
    BODY_NAMES,
    FACE_INDEX,
    HAND_NAMES,
    LEFT_PUPIL,
    RIGHT_PUPIL,
    OpenPosePose,
    draw_openpose,
    scale_keypoints,
    to_openpose,
)

WIDTH, HEIGHT = 640, 480


def holistic(num_frames=3, *, irises=True, seed=0):
    """A pose whose every landmark is seen, at random places inside the frame."""
    rng = np.random.default_rng(seed)
    total = 586 if irises else 576
    data = rng.uniform((0, 0, -0.5), (WIDTH, HEIGHT, 0.5), (num_frames, total, 3))
    confidence = np.ones((num_frames, total))
    return landmarks.holistic_pose(data, confidence, fps=25, width=WIDTH, height=HEIGHT)


def without(pose, names_and_frames):
    """The pose with all landmarks of a component masked in one frame."""
    data, confidence = np.array(pose.body.data.data), np.array(pose.body.confidence)
    for name, frame in names_and_frames:
        start = landmarks.component_start(pose, name)
        confidence[frame, :, start : start + len(landmarks.point_names(pose, name))] = 0
    return landmarks.with_arrays(pose, data, confidence)


def random_person(rng, width, height, *, whole_numbers=False):
    """Keypoints in and around the canvas, about a quarter of them missing."""

    def part(count):
        points = rng.uniform((-0.3 * width, -0.3 * height), (1.3 * width, 1.3 * height), (count, 2))
        # Not within rounding of a whole pixel: the peer multiplies normalised coordinates by the size.
        points = np.round(points) if whole_numbers else np.floor(points) + rng.uniform(0.1, 0.9, (count, 2))
        return np.c_[points, rng.random(count) > 0.25].astype(np.float32)

    def maybe(count):
        return part(count) if rng.random() < 0.7 else None

    return OpenPosePose(body=part(18), left_hand=maybe(21), right_hand=maybe(21), face=maybe(70))


@pytest.fixture(scope="module")
def peer():
    """controlnet-aux, whose renderer ours has to equal."""
    return pytest.importorskip("controlnet_aux.open_pose", reason="controlnet-aux is not importable")


def peer_map(peer, people, width, height, missing):
    """The peer's map of the same people; `missing` is how its detector marks a keypoint of a hand or face."""

    def points(part):
        if part is None:
            return None
        found = [(float(x) / width, float(y) / height) if c > 0 else missing for x, y, c in part]
        return [None if point is None else peer.Keypoint(*point) for point in found]

    def body(part):
        return [peer.Keypoint(float(x) / width, float(y) / height) if c > 0 else None for x, y, c in part]

    results = [
        peer.PoseResult(
            peer.BodyResult(body(person.body), 1.0, 18),
            points(person.left_hand),
            points(person.right_hand),
            points(person.face),
        )
        for person in people
    ]
    return peer.draw_poses(results, height, width)


@pytest.mark.parametrize("size", [(512, 512), (640, 480), (333, 517), (768, 1024), (64, 64)])
def test_the_map_equals_controlnet_aux_pixel_by_pixel(peer, size):
    width, height = size
    rng = np.random.default_rng(width)
    for _ in range(25):
        people = [random_person(rng, width, height) for _ in range(rng.integers(0, 3))]
        # As its hand and face detectors mark them: -1 pixel, divided by the size.
        expected = peer_map(peer, people, width, height, missing=(-1 / width, -1 / height))
        np.testing.assert_array_equal(draw_openpose(people, width, height), expected)


def test_the_map_equals_controlnet_aux_on_whole_pixels_and_axis_aligned_limbs(peer):
    rng = np.random.default_rng(7)
    for step in (1, 64, 128):  # coarse steps make limbs horizontal, vertical and of no length
        person = random_person(rng, 512, 512, whole_numbers=True)
        parts = {name: getattr(person, name) for name in ("body", "left_hand", "right_hand", "face")}
        for part in parts.values():
            if part is not None:
                part[:, :2] = np.round(part[:, :2] / step) * step
        person = OpenPosePose(**parts)
        expected = peer_map(peer, [person], 512, 512, missing=(-1 / 512, -1 / 512))
        np.testing.assert_array_equal(draw_openpose([person], 512, 512), expected)


def test_the_body_is_mapped_by_name_with_the_neck_between_the_shoulders():
    pose = holistic()
    points, _ = landmarks.component(pose, landmarks.BODY)
    body = to_openpose(pose)[1].body
    assert BODY_NAMES[2] == "right_shoulder" and BODY_NAMES[5] == "left_shoulder"
    np.testing.assert_allclose(body[2, :2], points[1, landmarks.RIGHT_SHOULDER, :2])
    np.testing.assert_allclose(body[7, :2], points[1, landmarks.LEFT_WRIST, :2])
    np.testing.assert_allclose(body[1, :2], (body[2, :2] + body[5, :2]) / 2, rtol=1e-6)


def test_a_missing_shoulder_takes_the_neck_with_it():
    pose = holistic()
    pose.body.confidence[0, 0, landmarks.LEFT_SHOULDER] = 0.1
    body = to_openpose(pose)[0].body
    assert body[5].tolist() == [0, 0, 0] and body[1].tolist() == [0, 0, 0]
    assert body[2, 2] == 1


def test_hands_keep_their_side_and_a_hand_that_was_not_seen_is_none():
    pose = without(holistic(), [(landmarks.LEFT_HAND, 1), (landmarks.FACE, 2)])
    found = to_openpose(pose)
    assert len(found) == 3
    assert found[1].left_hand is None and found[1].right_hand is not None
    assert found[2].face is None and found[1].face is not None
    points, _ = landmarks.component(pose, landmarks.LEFT_HAND)
    np.testing.assert_array_equal(found[0].left_hand[:, :2], points[0, :, :2])
    assert tuple(landmarks.point_names(pose, landmarks.LEFT_HAND)) == HAND_NAMES
    assert landmarks.HAND_BONES[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5))


def test_pupils_are_the_irises_or_else_the_middle_of_each_eye():
    with_irises, without_irises = holistic(irises=True), holistic(irises=False)
    points, _ = landmarks.component(with_irises, landmarks.FACE)
    face = to_openpose(with_irises)[0].face
    np.testing.assert_array_equal(face[[RIGHT_PUPIL, LEFT_PUPIL], :2], points[0, [468, 473], :2])
    points, _ = landmarks.component(without_irises, landmarks.FACE)
    face = to_openpose(without_irises)[0].face
    np.testing.assert_allclose(face[RIGHT_PUPIL, :2], points[0, [33, 133], :2].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(face[LEFT_PUPIL, :2], points[0, [362, 263], :2].mean(axis=0), rtol=1e-6)


def test_face_keypoints_lie_on_the_contours_they_are_named_after():
    from mediapipe.python.solutions import face_mesh_connections as mesh

    groups = {
        "FACE_OVAL": range(17),
        "RIGHT_EYEBROW": range(17, 22),
        "LEFT_EYEBROW": range(22, 27),
        "RIGHT_EYE": range(36, 42),
        "LEFT_EYE": range(42, 48),
        "LIPS": range(48, 68),
    }
    for name, keypoints in groups.items():
        contour = {index for edge in getattr(mesh, f"FACEMESH_{name}") for index in edge}
        assert {FACE_INDEX[k] for k in keypoints} <= contour, name
    assert len(set(FACE_INDEX)) == 70


def test_a_reduced_pose_keeps_what_it_has_and_the_rest_is_missing():
    from pose_format.utils.generic import reduce_holistic

    reduced = reduce_holistic(holistic())
    found = to_openpose(reduced)[0]
    present = {name for name, point in zip(BODY_NAMES, found.body, strict=True) if point[2] > 0}
    joints = ("shoulder", "elbow", "wrist", "hip")
    assert present == {"neck", *(f"{side}_{joint}" for side in ("left", "right") for joint in joints)}
    assert found.left_hand is not None and found.face is not None
    assert 0 < (found.face[:, 2] > 0).sum() < 70


def test_a_pose_without_body_landmarks_is_refused():
    pose = holistic().get_components([landmarks.LEFT_HAND])
    with pytest.raises(PoseError, match="POSE_LANDMARKS"):
        to_openpose(pose)


def test_scaling_moves_found_keypoints_and_leaves_missing_ones_missing():
    body = np.zeros((18, 3), np.float32)
    body[0] = (10, 20, 0.5)
    moved = scale_keypoints(OpenPosePose(body=body), (2.0, 3.0), offset=(5.0, -1.0)).body
    assert moved[0].tolist() == [25, 59, 0.5]
    assert not moved[1:].any()


def test_wrong_shapes_are_a_programming_error():
    with pytest.raises(ValueError, match="left_hand must be"):
        OpenPosePose(body=np.zeros((18, 3)), left_hand=np.zeros((20, 3)))


# OpenPose JSON


def people(num_frames=3):
    return to_openpose(without(holistic(num_frames), [(landmarks.RIGHT_HAND, 1)]))


def assert_same(a, b):
    for name in ("body", "left_hand", "right_hand", "face"):
        left, right = getattr(a, name), getattr(b, name)
        assert (left is None) == (right is None), name
        if left is not None:
            np.testing.assert_allclose(left, right, atol=1e-3)


def test_a_frame_of_json_has_the_lists_that_consumers_read():
    frame = openpose_json.frame_to_dict([people()[1]], WIDTH, HEIGHT)
    person = frame["people"][0]
    assert frame["version"] == 1.3
    assert (frame["canvas_width"], frame["canvas_height"]) == (WIDTH, HEIGHT)
    assert len(person["pose_keypoints_2d"]) == 54 and len(person["face_keypoints_2d"]) == 210
    assert len(person["hand_left_keypoints_2d"]) == 63
    assert person["hand_right_keypoints_2d"] == [0.0] * 63, "a hand that was not seen is all zeros"
    json.dumps(frame)


def test_one_file_per_frame_reads_back(tmp_path):
    poses = people()
    files = openpose_json.write_frames(tmp_path / "json", poses, WIDTH, HEIGHT, stem="home")
    assert [file.name for file in files] == [f"home_{i:012d}_keypoints.json" for i in range(3)]
    clip = openpose_json.read_openpose(tmp_path / "json")
    assert (clip.width, clip.height) == (WIDTH, HEIGHT)
    for ours, read in zip(poses, clip.poses, strict=True):
        assert_same(ours, read)


def test_a_whole_clip_file_reads_back(tmp_path):
    poses = people()
    openpose_json.write_clip(tmp_path / "clip.json", poses, WIDTH, HEIGHT)
    assert isinstance(json.loads((tmp_path / "clip.json").read_text()), list)
    clip = openpose_json.read_openpose(tmp_path / "clip.json")
    for ours, read in zip(poses, clip.poses, strict=True):
        assert_same(ours, read)
    assert [file.name for file in tmp_path.iterdir()] == ["clip.json"], "no temporary file is left"


def test_body_25_reads_back_and_pose_format_reads_it(tmp_path):
    from pose_format.utils.openpose import load_openpose_directory

    poses = people()
    openpose_json.write_frames(tmp_path, poses, WIDTH, HEIGHT, stem="clip", body="BODY_25")
    for ours, read in zip(poses, openpose_json.read_openpose(tmp_path).poses, strict=True):
        assert_same(ours, read)
    pose = load_openpose_directory(str(tmp_path), fps=25, width=WIDTH, height=HEIGHT)
    index = {}
    for component in pose.header.components:
        for name in component.points:
            index[(component.name, name)] = len(index)
    xy = np.ma.getdata(pose.body.data)[0, 0]
    for ours, name in zip(poses[0].body, BODY_NAMES, strict=True):
        side, _, joint = name.rpartition("_")
        theirs = index["pose_keypoints_2d", side[:1].upper() + joint.capitalize()]
        np.testing.assert_allclose(xy[theirs], ours[:2], atol=1e-3, err_msg=name)
    hips = poses[0].body[[8, 11], :2].mean(axis=0)
    np.testing.assert_allclose(xy[index["pose_keypoints_2d", "MidHip"]], hips, atol=1e-3)
    hand = index["hand_left_keypoints_2d", "BASE"]
    np.testing.assert_allclose(xy[hand : hand + 21], poses[0].left_hand[:, :2], atol=1e-3)
    assert pose.body.confidence[0, 0, index["pose_keypoints_2d", "LBigToe"]] == 0


def test_normalised_coordinates_of_other_tools_are_read_as_pixels(tmp_path):
    frame = openpose_json.frame_to_dict([people()[0]], WIDTH, HEIGHT)
    numbers = np.reshape(frame["people"][0]["pose_keypoints_2d"], (18, 3)) / (WIDTH, HEIGHT, 1)
    frame["people"][0]["pose_keypoints_2d"] = numbers.ravel().tolist()
    (tmp_path / "frame.json").write_text(json.dumps(frame))
    read = openpose_json.read_openpose(tmp_path / "frame.json").poses[0]
    assert_same(read, people()[0])


def test_a_frame_with_nobody_in_it_stays_a_frame(tmp_path):
    nobody = openpose_json.frame_to_dict([], WIDTH, HEIGHT)
    (tmp_path / "clip.json").write_text(json.dumps([nobody, nobody]))
    clip = openpose_json.read_openpose(tmp_path / "clip.json")
    assert len(clip.poses) == 2 and not clip.poses[0].body.any()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not json", "not JSON"),
        ("{}", "people"),
        ('[{"people": [{"pose_keypoints_2d": [1, 2]}]}]', "pose_keypoints_2d"),
        ('{"people": [{"pose_keypoints_2d": "abc"}]}', "pose_keypoints_2d"),
        ("[]", "no frame"),
    ],
)
def test_files_that_are_not_openpose_are_refused_with_the_reason(tmp_path, text, reason):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(PoseError, match=reason):
        openpose_json.read_openpose(tmp_path / "bad.json")


def test_frames_of_two_clips_in_one_folder_are_never_mixed(tmp_path):
    openpose_json.write_frames(tmp_path / "one", people(), WIDTH, HEIGHT, stem="one")
    file = openpose_json.write_frames(tmp_path / "two", people()[:1], WIDTH, HEIGHT, stem="two")[0]
    file.rename(tmp_path / "one" / file.name)
    with pytest.raises(PoseError, match="frame 0 twice"):
        openpose_json.read_openpose(tmp_path / "one")


def test_a_file_that_cannot_be_opened_is_said(tmp_path):
    (tmp_path / "clip_0_keypoints.json").mkdir()
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(PoseError, match="cannot be read"):
            openpose_json.read_openpose(path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(PoseError, match="no frame"):
        openpose_json.read_openpose(tmp_path)


@pytest.mark.real
def test_on_a_real_clip_the_signers_right_is_left_in_the_picture(real_data):
    from pose_format import Pose

    path = real_data / "pose_files/pose-format-tests/mediapipe.pose"
    pose = Pose.read(path.read_bytes())
    frames = [p for p in to_openpose(pose) if p.body[2, 2] and p.body[5, 2] and p.face is not None]
    assert frames
    for found in frames:
        assert found.body[2, 0] < found.body[5, 0]
        assert found.face[36, 0] < found.face[45, 0], "outer corner of the right eye, then of the left"
        assert found.face[0, 0] < found.face[16, 0], "the jaw runs from the right ear to the left"
    image = draw_openpose(frames[:1], 512, 512)
    assert cv2.countNonZero(image.max(axis=2)) > 100
