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
from models.pose.strokes import Color, Part, Pen, Shape, Stroke, frame_strokes
from models.pose.strokes import DrawStyle as DrawStyle

Image = NDArray[np.uint8]
Ground = Literal["dark", "light"]
Painter = Callable[[Image, int], Image]
"""(image, frame) -> a copy of the (H, W, 3) RGB image with the landmarks of that frame on it."""

GROUNDS: dict[Ground, Color] = {"dark": (24, 26, 30), "light": (248, 247, 244)}
_RIM: Color = (12, 14, 18)
_SUBPIXEL_BITS = 4
_SHOWN = 0.1  # confidence from which a landmark counts for the framing


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
            now = {
                # Far outside of the picture nothing is seen, and cv2 overflows.
                name: Part(np.clip(part.points[frame] * scale, -8000, 16000), part.confidence[frame], part.index)
                for name, part in clip.items()
            }
            _draw(canvas, frame_strokes(now, pen, style))
        return canvas

    return paint


def plain_ground(width: int, height: int, ground: Ground = "dark") -> Image:
    """An even (height, width, 3) RGB image to draw a skeleton on."""
    return np.full((height, width, 3), GROUNDS[ground], np.uint8)


def canvas_size(pose: Pose, longest_side: int) -> tuple[int, int]:
    """Even width and height that suit the pose: the proportions of its frame, or of the landmarks if it has none."""
    low, high = _view(pose)
    extent = np.maximum(high - low, 1e-6)
    extent = np.maximum(extent, extent.max() / 2)  # a lone finger or a profile does not make a strip
    width, height = (max(2 * round(float(side) / 2), 2) for side in extent * longest_side / extent.max())
    return width, height


def fit_pose(pose: Pose, width: int, height: int) -> Pose:
    """The pose placed on a canvas of this size, proportions kept, and its header set to it.

    Where the header's frame encloses the landmarks the frame is fitted; else (normalised poses have no frame) the
    landmarks themselves are, with a margin. Raises PoseError when no landmark is seen at all.
    """
    low, high = _view(pose)
    extent = np.maximum(high - low, 1e-6)
    scale = float((np.array([width, height]) / extent).min())
    offset = (np.array([width, height]) - scale * extent) / 2 - scale * low
    data = np.array(np.ma.getdata(pose.body.data), np.float32)
    in_picture = ~landmarks.of_world(pose)
    data[:, :, in_picture, :2] = data[:, :, in_picture, :2] * scale + offset
    dimensions = PoseHeaderDimensions(width=width, height=height, depth=pose.header.dimensions.depth)
    header = PoseHeader(version=pose.header.version, dimensions=dimensions, components=pose.header.components)
    return Pose(header, landmarks.with_arrays(pose, data, np.ma.getdata(pose.body.confidence)).body)


def _view(pose: Pose) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Top left and bottom right of what to show: the header's frame, or the landmarks with a margin."""
    in_picture = ~landmarks.of_world(pose)
    data = np.ma.getdata(pose.body.data)[:, 0, in_picture, :2]
    xy = data[np.ma.getdata(pose.body.confidence)[:, 0, in_picture] > _SHOWN]
    if not len(xy):
        raise PoseError("No landmark was seen in any frame of this pose, so there is nothing to draw.")
    low, high = np.percentile(xy, 0.5, axis=0), np.percentile(xy, 99.5, axis=0)
    frame = np.array([pose.header.dimensions.width, pose.header.dimensions.height], float)
    spread = float((high - low).max())
    # A normalised pose may also sit inside the header's frame, as a dot in its corner: it has to fill some of it.
    inside = (low > -0.2 * frame).all() and (high < 1.5 * frame).all() and spread > 0.15 * frame.max()
    if inside:
        return np.zeros(2), frame
    margin = 0.06 * max(spread, 1e-6)
    return xy.min(axis=0) - margin, xy.max(axis=0) + margin


def _draw(canvas: Image, strokes: Iterable[Stroke]) -> None:
    """The faintest strokes first, each opacity blended in one go; the sure ones last, in their order."""
    ordered = list(strokes)
    for opacity in sorted({stroke.opacity for stroke in ordered}):
        chosen = [stroke for stroke in ordered if stroke.opacity == opacity]
        view = canvas[_bounds(chosen, canvas.shape)]
        before = view.copy()
        for stroke in chosen:
            _draw_stroke(canvas, stroke)
        if opacity < 1 and view.size:
            view[:] = cv2.addWeighted(view, opacity, before, 1 - opacity, 0)


def _bounds(strokes: list[Stroke], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the picture that the strokes can touch, maybe none."""
    points = np.concatenate([stroke.points for stroke in strokes])
    reach = 2 + 2 * max(stroke.width for stroke in strokes)
    left, top = np.clip(points.min(axis=0) - reach, 0, shape[1::-1]).astype(int)
    right, bottom = np.clip(points.max(axis=0) + reach, 0, shape[1::-1]).astype(int)
    return slice(top, bottom), slice(left, right)


def _draw_stroke(canvas: Image, stroke: Stroke) -> None:
    rim = max(0.35 * stroke.width, 1.0) if stroke.rim else 0.0
    points = stroke.points
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
