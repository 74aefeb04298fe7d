"""Drawing landmarks: on the video, or as a skeleton on a plain ground.

How the picture speaks, since the hands carry the language:

- Left and right differ twice, so never by colour alone: the signer's left is blue with round joints, the right is
  orange with square joints (blue and orange of Okabe and Ito's palette, told apart with every colour vision).
- Hands are drawn last and strongest; each finger has its own shade, from the light thumb to the dark little finger.
- Nearer is drawn later, thicker and, for arms, brighter. Every stroke has a dark rim, which shows what lies in front
  and keeps it readable on any ground.
- Landmarks that were not seen are not drawn; unsure ones are faint. Where a hand was not found, the body model's
  guess of it is drawn faint.

Coordinates follow the pose's header: they are scaled from its width and height to the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

from models.errors import PoseError
from models.pose import landmarks
from models.pose.strokes import Color, DrawStyle, Part, Pen, Shape, Stroke, frame_strokes

Image = NDArray[np.uint8]
Ground = Literal["dark", "light"]
Painter = Callable[[Image, int], Image]
"""(image, frame) -> a copy of the (H, W, 3) RGB image with the landmarks of that frame on it."""

GROUNDS: dict[Ground, Color] = {"dark": (24, 26, 30), "light": (248, 247, 244)}
_RIM: Color = (12, 14, 18)
_FAINT = 0.4
_SUBPIXEL_BITS = 4


def draw_skeleton(image: Image, pose: Pose, frame: int, style: DrawStyle | None = None) -> Image:
    """A copy of an (H, W, 3) RGB image with the landmarks of one frame drawn over it.

    For many frames of one pose, take `skeleton_painter`, which prepares the pose once.
    """
    return skeleton_painter(pose, style)(image, frame)


def skeleton_painter(pose: Pose, style: DrawStyle | None = None) -> Painter:
    """A function that draws any frame of this pose; a frame outside the pose leaves the image as it is.

    Works with whatever components and landmarks the pose has (576, 586, or a reduced set of names).
    Raises PoseError when there is nothing of a Holistic pose in it.
    """
    style = style or DrawStyle()
    names = [name for name in landmarks.COMPONENTS[:4] if landmarks.has_component(pose, name)]
    if not names:
        raise PoseError("The pose has no landmarks of MediaPipe Holistic; only such poses can be drawn.")
    clip = {name: _part(pose, name) for name in names}
    arm_reach, palm = _arm_reach(clip.get(landmarks.BODY)), _palm_length(clip)
    width, height = pose.header.dimensions.width, pose.header.dimensions.height

    def paint(image: Image, frame: int) -> Image:
        canvas = image.copy()
        if 0 <= frame < len(pose.body.data):
            scale = np.array([image.shape[1] / max(width, 1), image.shape[0] / max(height, 1), 1], np.float32)
            unit = style.line_scale * max(image.shape[:2]) / 512
            pen = Pen(
                body=3.0 * unit,
                hand=max(min(2.4 * unit, 0.12 * palm * float(scale[0]) * style.line_scale), 1.0),
                face=max(0.9 * unit, 1.0),
                arm_reach=arm_reach,
            )
            now = {name: Part(p.points[frame] * scale, p.confidence[frame], p.index) for name, p in clip.items()}
            _draw(canvas, frame_strokes(now, pen, style))
        return canvas

    return paint


def plain_ground(width: int, height: int, ground: Ground = "dark") -> Image:
    """An even (height, width, 3) RGB image to draw a skeleton on."""
    return np.full((height, width, 3), GROUNDS[ground], np.uint8)


def fit_pose(pose: Pose, width: int, height: int, *, margin: float = 0.06) -> Pose:
    """The pose placed on a canvas of this size, proportions kept, and its header set to it.

    Where the header's frame encloses the landmarks the frame is fitted; else (normalised poses have no frame) the
    landmarks themselves are, with a margin. Raises PoseError when no landmark is seen at all.
    """
    data = np.array(np.ma.getdata(pose.body.data), np.float32)
    confidence = np.ma.getdata(pose.body.confidence)
    image_points = np.concatenate([_columns(pose, c.name) for c in pose.header.components if c.name != landmarks.WORLD])
    xy = data[:, :, image_points, :2][confidence[:, :, image_points] > 0.1]
    if not len(xy):
        raise PoseError("No landmark was seen in any frame of this pose, so there is nothing to draw.")
    low, high = np.percentile(xy, 0.5, axis=0), np.percentile(xy, 99.5, axis=0)
    frame = np.array([pose.header.dimensions.width, pose.header.dimensions.height], np.float32)
    spread = float((high - low).max())
    # A normalised pose also sits inside the header's frame, as a dot in its corner: it has to fill some of it.
    if (low < -0.1 * frame).any() or (high > 1.3 * frame).any() or spread < 0.1 * frame.max():
        low, high = xy.min(axis=0) - margin * spread, xy.max(axis=0) + margin * spread
    else:
        low, high = np.zeros(2), frame
    extent = np.maximum(high - low, 1e-6)
    scale = float((np.array([width, height]) / extent).min())
    offset = (np.array([width, height]) - scale * extent) / 2 - scale * low
    data[:, :, image_points, :2] = data[:, :, image_points, :2] * scale + offset
    placed = landmarks.with_arrays(pose, data, confidence)
    dimensions = PoseHeaderDimensions(width=width, height=height, depth=pose.header.dimensions.depth)
    header = PoseHeader(version=pose.header.version, dimensions=dimensions, components=pose.header.components)
    return Pose(header, placed.body)


def _draw(canvas: Image, strokes: Iterable[Stroke]) -> None:
    """Faint strokes first, blended in one go; then the sure ones in their order."""
    ordered = list(strokes)
    faint = [stroke for stroke in ordered if stroke.faint]
    if faint:
        layer = canvas.copy()
        for stroke in faint:
            _draw_stroke(layer, stroke)
        cv2.addWeighted(layer, _FAINT, canvas, 1 - _FAINT, 0, dst=canvas)
    for stroke in ordered:
        if not stroke.faint:
            _draw_stroke(canvas, stroke)


def _draw_stroke(canvas: Image, stroke: Stroke) -> None:
    rim = max(0.35 * stroke.width, 1.0) if stroke.rim else 0.0
    # Far outside of the picture nothing is seen, and cv2 overflows.
    points = np.clip(stroke.points, -8000, 16000)
    for grow, color in ((rim, _RIM), (0.0, stroke.color)) if rim else ((0.0, stroke.color),):
        if stroke.shape is None:
            line = np.round(points * 2**_SUBPIXEL_BITS).astype(np.int32)
            width = max(round(stroke.width + 2 * grow), 1)
            cv2.polylines(canvas, [line], False, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)
            continue
        for x, y in points:
            draw_joint(canvas, (float(x), float(y)), stroke.width + grow, color, stroke.shape)


def draw_joint(canvas: Image, center: tuple[float, float], radius: float, color: Color, shape: Shape) -> None:
    """Draw a filled disc, or a square of about the same area, onto the canvas."""
    unit = 2**_SUBPIXEL_BITS
    if shape == "round":
        middle = (round(center[0] * unit), round(center[1] * unit))
        cv2.circle(canvas, middle, round(radius * unit), color, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
    else:
        half = 0.9 * radius
        corners = np.array([(-half, -half), (half, -half), (half, half), (-half, half)]) + center
        cv2.fillConvexPoly(canvas, np.round(corners * unit).astype(np.int32), color, cv2.LINE_AA, _SUBPIXEL_BITS)


def _columns(pose: Pose, name: str) -> NDArray[np.intp]:
    start = landmarks.component_start(pose, name)
    return np.arange(start, start + len(landmarks.point_names(pose, name)))


def _part(pose: Pose, name: str) -> Part:
    points, confidence = landmarks.component(pose, name)
    confidence = np.where(np.isfinite(points).all(axis=2), confidence, 0).astype(np.float32)
    index = {point: k for k, point in enumerate(landmarks.point_names(pose, name))}
    return Part(np.nan_to_num(points), confidence, index)


def _arm_reach(body: Part | None) -> float:
    """How far the arms come forward in this clip, in the pose's own unit of z (which differs between tools)."""
    names = ("LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_WRIST", "RIGHT_WRIST")
    if body is None or any(name not in body.index for name in names):
        return 1.0
    z = body.points[:, [body.index[name] for name in names], 2]
    forward = z[:, :2].mean(axis=1, keepdims=True) - z[:, 2:]
    return max(float(np.percentile(forward, 95)), 1e-6) if len(forward) else 1.0


def _palm_length(parts: dict[str, Part]) -> float:
    """Median length of the palm over the clip, in px of the pose: lines stay thinner than a small hand's fingers."""
    lengths = [np.inf]
    for name in landmarks.HANDS:
        if name in parts and parts[name].points.shape[1] == landmarks.NUM_HAND:
            hand = parts[name]
            seen = hand.confidence.min(axis=1) > 0
            bones = hand.points[seen][:, 9, :2] - hand.points[seen][:, 0, :2]  # wrist to middle knuckle
            if len(bones):
                lengths.append(float(np.percentile(np.linalg.norm(bones, axis=1), 75)))
    return min(lengths)
