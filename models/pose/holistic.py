"""MediaPipe Holistic on a stream of frames: the same landmarks as `mp.solutions.holistic`, in less time.

The graph is the one in mediapipe's package, taken apart and run through the framework's own calls instead of
`mp.solutions`, because that allows four things, none of which changes a number (tests compare bit by bit):

- several frames are in the graph at once, so the body of frame i + 1 is found while the hands and face of frame i are
  (`mp.solutions` waits for each frame, and leaves cores idle);
- what no wanted output depends on is left out (segmentation; the face when it is not asked for);
- the body model runs without its segmentation head (`models.pose.pruned`);
- landmarks come out of the serialised message as one array instead of 600 Python objects.

Source: mediapipe 0.10.21, modules/holistic_landmark and python/solutions/holistic.py.
Shapes: K landmarks in the canonical order of `models.pose.landmarks`.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.pose.graph import available_complexities, holistic_graph
from models.pose.landmarks import NUM_BODY, NUM_FACE, NUM_HAND, NUM_IRISES

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

FRAMES_IN_FLIGHT = 4
"""More than this gained nothing: there are only three stages to overlap (body, hands, face)."""

# No frame takes this long, even on a machine that is very busy.
_PATIENCE_S = 120
# What `mp.solutions` pretends the frame rate to be; the smoothing filters depend on it.
_FRAME_US = 33333
_OUTPUTS = (
    "pose_landmarks",
    "face_landmarks",
    "left_hand_landmarks",
    "right_hand_landmarks",
    "pose_world_landmarks",
)
_LOG_LOCK = threading.RLock()
_WITH_VISIBILITY = frozenset({"pose_landmarks", "pose_world_landmarks"})


class HolisticSession:
    """One running Holistic graph. Tracks one person from frame to frame until `reset`. Not for use by two threads.

    complexity: 0, 1 or 2, see `available_complexities`. refine_face: irises too, 478 face landmarks instead of 468.
    face=False leaves the face out (its landmarks are not seen). Confidences are in 0..1. threads: None is one
    per core. prune=False runs the body model as mediapipe ships it, for comparison.
    Raises ValueError for a complexity whose model is not on this machine (mediapipe itself would download it).
    """

    def __init__(
        self,
        *,
        complexity: int = 1,
        refine_face: bool = False,
        face: bool = True,
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
        threads: int | None = None,
        prune: bool = True,
    ) -> None:
        if complexity not in available_complexities():
            raise ValueError(f"complexity must be one of {available_complexities()}, got {complexity}")
        self.num_face = NUM_FACE + (NUM_IRISES if refine_face else 0)
        self._outputs = [name for name in _OUTPUTS if face or name != "face_landmarks"]
        self._arrived: dict[int, dict[str, Any]] = {}
        self._settled_us: dict[str, int] = {}
        self._news = threading.Condition()
        with native_log_silenced():
            self._config, self._side_packets = holistic_graph(
                self._outputs,
                complexity=complexity,
                refine_face=refine_face,
                min_detection_confidence=min_detection_confidence,
                min_tracking_confidence=min_tracking_confidence,
                threads=threads,
                prune=prune,
            )
            self._start()

    def process(self, image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Landmarks of the next frame: (K, 3) in the units of `models.pose.landmarks`, and (K,) confidence."""
        return self._collect(self._submit(image), image)

    def stream(self, images: Iterable[Image]) -> Iterator[tuple[Image, NDArray[np.float32], NDArray[np.float32]]]:
        """Landmarks of consecutive frames, a few of which are worked on at once.

        Yields every image, in order, with its (K, 3) landmarks and (K,) confidence. An image must not be changed
        before it comes back.
        """
        waiting: deque[tuple[int, Image]] = deque()
        try:
            for image in images:
                waiting.append((self._submit(image), image))
                if len(waiting) >= FRAMES_IN_FLIGHT:
                    time_us, done = waiting.popleft()
                    yield done, *self._collect(time_us, done)
            while waiting:
                time_us, done = waiting.popleft()
                yield done, *self._collect(time_us, done)
        finally:
            if waiting:  # the caller left early; what is still in the graph must not meet the next clip
                self._graph.wait_until_idle()
                self._arrived.clear()

    def reset(self) -> None:
        """Forget the person that was tracked; the next frame gives what it would give in a new session."""
        if self._clock_us == 0:
            return
        with native_log_silenced():
            self._graph.close()
            self._start()

    def close(self) -> None:
        """Stop the graph, and let go of it."""
        self._graph.close()
        del self._graph  # it holds our callback, and so us: a circle that Python's collector cannot see

    def __enter__(self) -> HolisticSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        from mediapipe.python._framework_bindings import calculator_graph

        self._arrived.clear()
        self._settled_us = dict.fromkeys(self._outputs, 0)
        self._clock_us = 0
        # A new graph every time: one that is run again stays silent about frames in which a part is not seen.
        self._graph = calculator_graph.CalculatorGraph(graph_config=self._config)
        for name in self._outputs:
            self._graph.observe_output_stream(name, self._on_packet, True)
        self._graph.start_run(self._side_packets)
        self._graph.wait_until_idle()  # the models are loaded, and their log lines written

    def _on_packet(self, name: str, packet: Any) -> None:
        with self._news:
            # An empty packet says that the stream has nothing up to its time, perhaps for several frames at once.
            self._settled_us[name] = packet.timestamp.value
            if not packet.is_empty():
                self._arrived.setdefault(packet.timestamp.value, {})[name] = packet
            self._news.notify()

    def _submit(self, image: Image) -> int:
        from mediapipe.python import packet_creator
        from mediapipe.python._framework_bindings import image_frame

        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected an image (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
        # A copy: what the framework shares it also lets go of, on a thread of its own and without Python's lock,
        # which corrupts memory when Python works meanwhile.
        packet = packet_creator.create_image_frame(
            np.ascontiguousarray(image), image_format=image_frame.ImageFormat.SRGB, copy=True
        )
        self._clock_us += _FRAME_US
        if self._clock_us > _FRAME_US:
            self._graph.add_packet_to_input_stream("image", packet.at(self._clock_us))
        else:
            with native_log_silenced():  # the first person seen is worth a warning to MediaPipe
                self._graph.add_packet_to_input_stream("image", packet.at(self._clock_us))
                self._graph.wait_until_idle()
        return self._clock_us

    def _collect(self, time_us: int, image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with self._news:
            patience_s = _PATIENCE_S
            while min(self._settled_us.values()) < time_us:
                if self._news.wait(timeout=1.0):
                    continue
                patience_s -= 1
                if self._graph.has_error() or patience_s <= 0:
                    raise RuntimeError(self._graph.get_combined_error_message() or "MediaPipe stopped answering")
            packets = self._arrived.pop(time_us, {})
        height, width = image.shape[:2]
        parts = [self._landmarks(name, packets.get(name), width, height) for name in _OUTPUTS]
        return np.concatenate([points for points, _ in parts]), np.concatenate([sure for _, sure in parts])

    def _landmarks(
        self, name: str, packet: Any, width: int, height: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        count = {"pose": NUM_BODY, "face": self.num_face}.get(name.split("_")[0], NUM_HAND)
        if packet is None:
            return np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
        values = _parse(_serialized(packet), count)
        # World landmarks are scaled too: pose-format does it, and its files are what ours must equal.
        points = values[:, :3] * np.array([width, height, 1], np.float32)
        sure = values[:, 3] if name in _WITH_VISIBILITY else np.ones(count, np.float32)
        return points, sure


@contextmanager
def native_log_silenced() -> Iterator[None]:
    """Keep what MediaPipe's C++ code writes to the standard error away from the terminal while the block runs.

    Its log has no switch in this release, so the file descriptor itself points elsewhere for the moment: short
    blocks only, that raise rather than print.
    """
    with _LOG_LOCK:
        try:
            terminal = os.dup(2)
        except OSError:  # no standard error at all, as in a windowed program
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(nowhere)
            os.close(terminal)


def _serialized(packet: Any) -> bytes:
    from mediapipe.python._framework_bindings import _packet_getter

    return bytes(_packet_getter._get_serialized_proto(packet))


def _parse(message: bytes, count: int) -> NDArray[np.float32]:
    """(count, 3 or more) x, y, z, visibility, presence from a serialised (Normalized)LandmarkList.

    Every landmark is a message of equal length, whose fields are a tag byte (0x0d, 0x15, 0x1d, ...) and a float.
    """
    rows = np.frombuffer(message, np.uint8).reshape(count, -1)
    fields = rows[:, 2:].reshape(count, -1, 5)
    tags = np.arange(0x0D, 0x0D + 8 * fields.shape[1], 8)
    if not (fields[:, :, 0] == tags).all():
        raise RuntimeError("mediapipe's landmark message has another layout than that of version 0.10.21")
    return np.ascontiguousarray(fields[:, :, 1:]).view("<f4")[:, :, 0]
