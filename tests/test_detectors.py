"""controlnet-aux's detectors as sources of keypoints: readiness, safe loading, and what their results become."""

import importlib.util
import os
import pickle

import numpy as np
import pytest
import torch

from models.errors import WeightsError
from models.pose.detectors import (
    available,
    detect_frame,
    face_peaks,
    from_dwpose_result,
    from_openpose_result,
)
from models.pose.openpose import LEFT_PUPIL, OpenPosePose

OPENPOSE_FILES = ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth")


@pytest.fixture(scope="module")
def library():
    """controlnet-aux, which these tests run for real."""
    return pytest.importorskip("controlnet_aux", reason="controlnet-aux is not importable")


@pytest.fixture(scope="module")
def weights(library, tmp_path_factory):
    """A folder with weights of the real shapes under the real names; random, so nobody is recognised with them."""
    from controlnet_aux.open_pose.face import FaceNet
    from controlnet_aux.open_pose.model import bodypose_model, handpose_model

    folder = tmp_path_factory.mktemp("openpose")
    torch.manual_seed(0)

    def small(tensor):
        """Random along the channels and constant over each kernel: the same shape in a fraction of the disk."""
        if tensor.dim() < 4:
            return torch.zeros(1).expand(tensor.shape)
        return (0.02 * torch.randn(*tensor.shape[:2], 1, 1)).expand(tensor.shape)

    for file, network in zip(OPENPOSE_FILES, (bodypose_model(), handpose_model(), FaceNet()), strict=True):
        state = {name: small(tensor) for name, tensor in network.state_dict().items()}
        if file != "facenet.pth":  # published without the name of the block in front
            state = {name.split(".", 1)[1]: tensor for name, tensor in state.items()}
        torch.save(state, folder / file)
    return folder


def photo(height=180, width=240):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)


def test_a_detector_without_weights_says_which_files_go_where(library, tmp_path):
    (tmp_path / OPENPOSE_FILES[0]).touch()
    info = {info.name: info for info in available(tmp_path)}
    assert list(info) == ["openpose", "dwpose"]
    assert not info["openpose"].ready
    for word in (*OPENPOSE_FILES[1:], str(tmp_path)):
        assert word in info["openpose"].what_to_do
    assert OPENPOSE_FILES[0] not in info["openpose"].what_to_do, "that file is there"
    with pytest.raises(WeightsError, match=r"facenet\.pth"):
        detect_frame("openpose", photo(), tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("mmpose") is not None, reason="OpenMMLab is installed")
def test_dwpose_says_that_it_needs_openmmlab(library, tmp_path):
    info = available(tmp_path)[1]
    assert not info.ready and "mmpose" in info.what_to_do
    with pytest.raises(WeightsError, match="mmcv"):
        detect_frame("dwpose", photo(), tmp_path)


def test_an_unknown_detector_and_a_wrong_image_are_refused(weights):
    with pytest.raises(WeightsError, match="openpose, dwpose"):
        detect_frame("yolo", photo(), weights)
    with pytest.raises(ValueError, match="uint8"):
        detect_frame("openpose", photo().astype(float), weights)


def test_with_weights_in_place_the_real_networks_run(weights):
    assert available(weights)[0].ready
    found = detect_frame("openpose", photo(), weights)
    assert isinstance(found, OpenPosePose)
    assert found.body.shape == (18, 3) and np.isfinite(found.body).all()
    assert found.body[:, 0].max() <= 240 and found.body[:, 1].max() <= 180


def test_a_head_that_the_body_network_finds_is_given_to_the_face_network(weights, monkeypatch):
    from controlnet_aux.open_pose.body import Body
    from controlnet_aux.open_pose.face import Face

    def one_head(self, image):
        """Nose, eyes and ears in the middle of the picture, in the form in which the library links candidates."""
        height, width = image.shape[:2]
        offsets = [(0, 0), (-20, -20), (20, -20), (-50, -10), (50, -10)]
        candidates = np.array([[width / 2 + x, height / 2 + y, 0.9, k] for k, (x, y) in enumerate(offsets)])
        subset = -np.ones((1, 20))
        subset[0, [0, 14, 15, 16, 17]] = range(5)
        subset[0, 18:] = (4.5, 5)
        return candidates, subset

    seen = []

    def all_but_one(self, crop):
        """A peak per keypoint along a diagonal of the crop; keypoint 3 is not found."""
        seen.append(crop.shape)
        maps = np.zeros((71, *crop.shape[:2]), np.float32)
        for k in range(70):
            maps[k, 10 + k, 20 + k] = 0 if k == 3 else 0.8
        return maps

    monkeypatch.setattr(Body, "__call__", one_head)
    real = detect_frame("openpose", photo(512, 512), weights)
    assert real.body[0].tolist() == [256, 256, 1] and not real.body[1:14].any()
    assert real.face is None or real.face.shape == (70, 3)

    monkeypatch.setattr(Face, "__call__", all_but_one)
    face = detect_frame("openpose", photo(512, 512), weights).face
    assert len(seen) == 1
    assert face[3].tolist() == [0, 0, 0]
    steps = np.diff(np.delete(face[:, :2], 3, axis=0), axis=0)
    assert steps[2].tolist() == [2, 2], "the keypoints after the missing one keep their place"
    assert (np.delete(steps, 2, axis=0) == 1).all()


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("allowed_by_environment", [False, True])
def test_a_weights_file_that_carries_code_is_refused_and_never_run(
    weights, tmp_path, monkeypatch, allowed_by_environment
):
    if allowed_by_environment:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    for file in OPENPOSE_FILES[:2]:
        (tmp_path / file).symlink_to(weights / file)
    sprung = tmp_path / "sprung"
    torch.save({"weight": Trap(sprung)}, tmp_path / OPENPOSE_FILES[2])
    with pytest.raises(WeightsError, match=r"facenet\.pth is not a plain file of weights"):
        detect_frame("openpose", photo(), tmp_path)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists(), "the trap does work when something unpickles it"


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x04.", b"PK\x03\x04 broken"])
def test_broken_weights_are_refused_with_the_name_of_the_file(library, tmp_path, content):
    for file in OPENPOSE_FILES:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(WeightsError, match=r"body_pose_model\.pth"):
        detect_frame("openpose", photo(), tmp_path)


def test_weights_of_another_network_are_refused(weights, tmp_path):
    for file in OPENPOSE_FILES:
        (tmp_path / file).symlink_to(weights / OPENPOSE_FILES[1])
    with pytest.raises(WeightsError, match="do not fit"):
        detect_frame("openpose", photo(), tmp_path)


def test_the_person_of_the_highest_score_is_taken_and_scaled_to_pixels(library):
    from controlnet_aux.open_pose import BodyResult, Keypoint, PoseResult

    def person(x, score, hand=None):
        return PoseResult(BodyResult([Keypoint(x, 0.5), *[None] * 17], score, 1), hand, None, None)

    hand = [Keypoint(0.25, 0.75), Keypoint(-0.01, -0.02), *[Keypoint(0.5, 0.5)] * 19]
    found = from_openpose_result([person(0.1, 1.0), person(0.2, 3.0, hand)], 200, 100)
    np.testing.assert_allclose(found.body[0], (40, 50, 1))
    assert not found.body[1:].any()
    np.testing.assert_allclose(found.left_hand[0], (50, 75, 1))
    assert found.left_hand[1].tolist() == [0, 0, 0]
    assert found.right_hand is None and found.face is None
    assert not from_openpose_result([], 200, 100).body.any()


def test_dwpose_keypoints_go_to_the_right_parts():
    rng = np.random.default_rng(0)
    keypoints, scores = rng.uniform(1, 100, (2, 134, 2)), np.full((2, 134), 0.9)
    scores[0, :18] = 0.4  # the second person is surer
    scores[1, 5] = 0.29
    scores[1, 113:] = 0.1
    found = from_dwpose_result(keypoints, scores)
    np.testing.assert_allclose(found.body[2, :2], keypoints[1, 2], rtol=1e-6)
    assert found.body[5].tolist() == [0, 0, 0]
    np.testing.assert_allclose(found.face[:68, :2], keypoints[1, 24:92], rtol=1e-6)
    np.testing.assert_allclose(found.face[LEFT_PUPIL, :2], keypoints[1, [24 + 42, 24 + 45]].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.left_hand[:, :2], keypoints[1, 92:113], rtol=1e-6)
    assert found.right_hand is None
    assert not from_dwpose_result(np.zeros((0, 134, 2)), np.zeros((0, 134))).body.any()


def test_face_peaks_below_the_threshold_are_missing():
    maps = np.zeros((71, 8, 8), np.float32)
    maps[0, 2, 5], maps[1, 3, 4] = 0.5, 0.04
    peaks = face_peaks(maps)
    assert peaks.shape == (70, 2)
    assert peaks[0].tolist() == [5, 2] and peaks[1].tolist() == [0, 0]
