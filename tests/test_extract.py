"""One clip to its landmarks: equal to pose-format's, frame for frame, and whatever else the options promise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import PoseError, VideoError
from models.pose.extract import Cancelled, PoseOptions, PoseResult, Progress, extract_pose, open_session
from models.pose.files import write_pose
from models.pose.graph import available_complexities
from models.pose.holistic import HolisticSession, Image
from models.pose.landmarks import BODY, COMPONENTS, FACE, LEFT_HAND, RIGHT_HAND, component, point_names, seen
from models.pose.sharpness import frame_sharpness
from models.video import ReadOptions, VideoReader
from models.video_write import write_video

NUM_FRAMES = 24


@pytest.fixture(scope="module")
def frames(sample: Path) -> list[Image]:
    """The middle of a clip of a drawn signer, small."""
    with VideoReader(sample, ReadOptions(start_ms=1000, end_ms=1000 + 40 * NUM_FRAMES)) as clip:
        return [cv2.resize(frame, (320, 320), interpolation=cv2.INTER_AREA) for frame in clip]


@pytest.fixture(scope="module")
def clip(frames: list[Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "sign.mp4"
    write_video(path, frames, fps=25)
    return path


@pytest.fixture(scope="module")
def result(clip: Path) -> PoseResult:
    return extract_pose(clip)


@pytest.fixture(scope="module")
def session() -> Iterator[HolisticSession]:
    """One session for the tests that check what is left of the clip before: nothing."""
    with open_session(PoseOptions()) as opened:
        yield opened


def arrays(result: PoseResult) -> tuple[np.ndarray, np.ndarray]:
    return np.ma.getdata(result.pose.body.data), np.ma.getdata(result.pose.body.confidence)


def same(one: PoseResult, other: PoseResult) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


def test_the_signer_is_seen_so_that_the_other_tests_mean_something(result: PoseResult) -> None:
    assert seen(result.pose, BODY).all()
    assert seen(result.pose, FACE).any()
    assert seen(result.pose, LEFT_HAND).any() or seen(result.pose, RIGHT_HAND).any()


def test_the_file_is_byte_for_byte_the_one_that_video_to_pose_writes(
    clip: Path, result: PoseResult, tmp_path: Path
) -> None:
    from pose_format.bin.pose_estimation import pose_video
    from pose_format.utils.holistic import HolisticPool

    HolisticPool._instances.clear()  # it would hand out an instance that remembers another clip
    pose_video(str(clip), str(tmp_path / "peer.pose"), "mediapipe")
    write_pose(tmp_path / "ours.pose", result.pose)
    assert (tmp_path / "ours.pose").read_bytes() == (tmp_path / "peer.pose").read_bytes()


@pytest.mark.real
def test_the_file_of_a_real_clip_is_byte_for_byte_the_one_that_video_to_pose_writes(
    real_data: Path, tmp_path: Path
) -> None:
    from pose_format.bin.pose_estimation import pose_video
    from pose_format.utils.holistic import HolisticPool

    clip = min((real_data / "wlasl_single").glob("*.mp4"), key=lambda path: path.stat().st_size)
    HolisticPool._instances.clear()
    pose_video(str(clip), str(tmp_path / "peer.pose"), "mediapipe")
    write_pose(tmp_path / "ours.pose", extract_pose(clip).pose)
    assert (tmp_path / "ours.pose").read_bytes() == (tmp_path / "peer.pose").read_bytes()


def test_frames_one_by_one_give_what_the_stream_gives(frames: list[Image], session: HolisticSession) -> None:
    session.reset()
    streamed = [(points, confidence) for _, points, confidence in session.stream(frames)]
    session.reset()
    for image, (points, confidence) in zip(frames, streamed, strict=True):
        again = session.process(image)
        assert np.array_equal(again[0], points)
        assert np.array_equal(again[1], confidence)


def test_a_pose_does_not_depend_on_the_clip_before(clip: Path, result: PoseResult, session: HolisticSession) -> None:
    session.reset()
    list(session.stream([np.full((240, 320, 3), 90, np.uint8)] * 3))
    assert same(extract_pose(clip, session=session), result)


def test_what_is_not_in_a_frame_is_masked_and_the_frame_stays(frames: list[Image], tmp_path: Path) -> None:
    gap = range(8, 14)
    shown = [np.zeros_like(frame) if number in gap else frame for number, frame in enumerate(frames)]
    write_video(tmp_path / "gap.mp4", shown, fps=25)
    pose = extract_pose(tmp_path / "gap.mp4").pose
    assert len(pose.body.data) == NUM_FRAMES
    for name in COMPONENTS:
        _, confidence = component(pose, name)
        assert (confidence[list(gap)] == 0).all()
    assert np.ma.getmaskarray(pose.body.data)[list(gap)].all()
    assert seen(pose, BODY)[[*range(8), *range(15, NUM_FRAMES)]].all()


def test_the_pose_of_a_crop_is_in_the_coordinates_of_the_crop(clip: Path, session: HolisticSession) -> None:
    box = (40, 0, 300, 280)
    result = extract_pose(clip, PoseOptions(crop=box), session=session)
    session.reset()
    with VideoReader(clip) as reader:
        cut = [frame[0:280, 40:300] for frame in reader]
    points, confidence = zip(*[found[1:] for found in session.stream(cut)], strict=True)
    assert (result.pose.header.dimensions.width, result.pose.header.dimensions.height) == (260, 280)
    assert np.array_equal(arrays(result)[0][:, 0], np.stack(points))
    assert np.array_equal(arrays(result)[1][:, 0], np.stack(confidence))


def test_a_window_at_another_frame_rate_has_the_frames_of_its_time(clip: Path, session: HolisticSession) -> None:
    result = extract_pose(clip, PoseOptions(start_ms=200, end_ms=600, fps=12.5), session=session)
    assert len(result.pose.body.data) == 5  # 0.4 s
    assert result.pose.body.fps == 12.5


def test_without_the_face_everything_else_is_the_same(clip: Path, result: PoseResult) -> None:
    faceless = extract_pose(clip, PoseOptions(face=False))
    assert not seen(faceless.pose, FACE).any()
    for name in COMPONENTS:
        if name != FACE:
            for ours, whole in zip(component(faceless.pose, name), component(result.pose, name), strict=True):
                assert np.array_equal(ours, whole)


def test_a_refined_face_has_irises(clip: Path) -> None:
    result = extract_pose(clip, PoseOptions(refine_face=True, end_ms=200))
    assert len(point_names(result.pose, FACE)) == 478
    assert seen(result.pose, FACE).any()


def test_stopping_raises_and_leaves_the_session_as_good_as_new(
    clip: Path, result: PoseResult, session: HolisticSession
) -> None:
    asked: list[bool] = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) > 5

    with pytest.raises(Cancelled):
        extract_pose(clip, should_stop=should_stop, session=session)
    assert len(asked) == 6
    assert same(extract_pose(clip, session=session), result)


def test_progress_grows_and_ends_at_the_whole_clip(clip: Path, session: HolisticSession) -> None:
    told: list[Progress] = []
    extract_pose(clip, progress=told.append, session=session)
    done = [entry.done_frames for entry in told]
    assert done == sorted(done)
    assert (told[-1].done_frames, told[-1].total_frames, told[-1].seconds_left) == (NUM_FRAMES, NUM_FRAMES, 0)


def test_a_preview_gets_every_frame_with_the_landmarks_of_the_result(
    clip: Path, result: PoseResult, session: HolisticSession
) -> None:
    numbers = []

    def look(number: int, image: Image, points: np.ndarray, confidence: np.ndarray) -> None:
        numbers.append(number)
        assert image.shape == (320, 320, 3)
        assert np.array_equal(points, arrays(result)[0][number, 0])
        assert np.array_equal(confidence, arrays(result)[1][number, 0])

    extract_pose(clip, on_frame=look, session=session)
    assert numbers == list(range(NUM_FRAMES))


def test_errors_a_user_can_put_right(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match=r"text\.mp4"):
        extract_pose(tmp_path / "text.mp4")
    with pytest.raises(PoseError, match="complexity is 3"):
        PoseOptions(complexity=3)
    with pytest.raises(PoseError, match=r"min_tracking_confidence is 1\.5"):
        PoseOptions(min_tracking_confidence=1.5)
    with pytest.raises(PoseError, match="refine_face"):
        PoseOptions(refine_face=True, face=False)
    with pytest.raises(VideoError, match="fps"):
        PoseOptions(fps=0)


@pytest.mark.skipif(2 in available_complexities(), reason="the model of complexity 2 is on this machine")
def test_a_complexity_without_its_model_is_refused_and_not_downloaded(clip: Path) -> None:
    assert 1 in available_complexities()
    with pytest.raises(PoseError, match=r"pose_landmark_heavy\.tflite"):
        extract_pose(clip, PoseOptions(complexity=2))


def test_an_image_of_another_kind_is_a_mistake_of_the_program(session: HolisticSession) -> None:
    with pytest.raises(ValueError, match="float64"):
        session.process(np.zeros((8, 8, 3)))


def test_sharpness_falls_when_the_signer_blurs_and_hardly_changes_with_the_size_of_the_frame(
    frames: list[Image], result: PoseResult
) -> None:
    points, confidence = (array[0, 0] for array in arrays(result))
    sharp = frame_sharpness(frames[0], points, confidence)
    assert frame_sharpness(cv2.GaussianBlur(frames[0], (0, 0), 3), points, confidence) < sharp / 2
    twice = cv2.resize(frames[0], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert frame_sharpness(twice, 2 * points, confidence) == pytest.approx(sharp, rel=0.35)


def test_sharpness_is_that_of_the_hands_where_they_are_seen() -> None:
    random = np.random.default_rng(0)
    image = np.full((200, 200, 3), 128, np.uint8)
    image[100:, 100:] = random.integers(0, 255, (100, 100, 3))
    points, confidence = np.zeros((576, 3), np.float32), np.zeros(576, np.float32)
    left, right = slice(501, 522), slice(522, 543)
    points[left, :2], points[right, :2] = random.uniform(10, 80, (21, 2)), random.uniform(120, 180, (21, 2))
    confidence[left] = 1
    assert frame_sharpness(image, points, confidence) == 0
    confidence[right] = 1
    assert frame_sharpness(image, points, confidence) > 100


def test_sharpness_is_known_for_a_frame_without_a_signer() -> None:
    nobody = np.zeros((576, 3), np.float32), np.zeros(576, np.float32)
    assert frame_sharpness(np.zeros((40, 60, 3), np.uint8), *nobody) == 0
