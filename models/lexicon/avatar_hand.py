"""One shaded hand of the avatar: a small depth buffer of rounded bones, lit, with nails, creases and palm lines.

Detectors read a hand by its shading: dark gaps between fingers, bright ridges, nails on the back, lines in the palm.
A depth buffer gets the order of curled fingers right for free, where a sorted list of strokes cannot (a thumb
crosses the palm in front at its tip and behind at its base).

Points are (21, 3) in output pixels, z growing away from the camera on the same scale.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from models.lexicon.avatar_canvas import LIGHT, Array, Colour, Layer, resized
from models.lexicon.avatar_skin import FOREARM, PALM, HandBuffer, skin_image
from models.pose.landmarks import FINGERS

# Radii of the 21 landmarks in palm lengths (wrist to knuckles): wrist, thumb, index, middle, ring, little finger.
_RADII = np.array(
    [.235, .210, .178, .146, .118, .150, .136, .119, .101, .152, .140, .121, .104,
     .146, .132, .115, .099, .134, .114, .099, .086], np.float32)  # fmt: skip
_KNUCKLES = (5, 9, 13, 17)
# Where flesh lies about the landmarks of wrist and thumb, in palm lengths to the thumb's side: found by reading drawn
# hands back, the detector's wrist is not the middle of the wrist.
_FLESH = np.zeros((21, 1), np.float32)
_FLESH[:5, 0] = -0.080, -0.080, -0.045, -0.045, -0.025
_TIP_PULL = 0.35  # the tip landmark sits near the end of the fingertip: pull the rounded end back by this many radii
_FAR = np.float32(1e6)
_CANVAS_PALM = 66.0  # palm length in the buffer that hands are worth: finer gains nothing, coarser loses nails


def palm_length(points: Array) -> Array:
    """Length of the palm, wrist to knuckles, that the whole hand suggests: (...,) for (..., 21, 3).

    A foreshortened hand loses length where detectors guess depth too small; its width and its index finger, in their
    usual proportion, make up for it.
    """
    length = np.linalg.norm(points[..., _KNUCKLES, :] - points[..., :1, :], axis=-1).mean(axis=-1)
    width = np.linalg.norm(points[..., 5, :] - points[..., 17, :], axis=-1)
    finger = np.linalg.norm(np.diff(points[..., 5:9, :], axis=-2), axis=-1).sum(axis=-1)
    return np.asarray((length + width / 0.65 + finger / 0.98) / 3, np.float32)


def hand_layer(
    points: Array,
    side: str,
    skin: Colour,
    *,
    palm: float,
    elbow: Array,
    bare: float = 0.85,
    frame_size: tuple[int, int],
    supersample: int = 2,
    light_from: Array = LIGHT,
) -> Layer | None:
    """Draw one hand with the last part of its forearm.

    points (21, 3) and elbow (3,) in output px; side "left" or "right" (the signer's); palm: palm length in px, which
    sets the thickness; bare: palm lengths of forearm drawn with the hand; frame_size (width, height); light_from (3,)
    points to the light.
    Returns None when nothing of it is inside the frame.
    """
    stub = _stub(points, elbow, palm, bare)
    everything = np.concatenate([points, stub[None]])
    low = np.floor(everything[:, :2].min(axis=0) - 0.38 * palm).astype(int)
    high = np.ceil(everything[:, :2].max(axis=0) + 0.38 * palm).astype(int)
    low, high = np.maximum(low, -2), np.minimum(high, np.add(frame_size, 2))
    width, height = (int(v) for v in high - low)
    if width < 2 or height < 2 or palm < 1:
        return None
    scale = float(np.clip(_CANVAS_PALM / palm, 1.25, max(1.25, 1.5 * supersample)))
    size = (round(width * scale), round(height * scale))
    step = np.array([size[0] / width, size[1] / height, scale], np.float32)
    shift = np.array([low[0], low[1], 0], np.float32)
    end = ((stub - shift) * step).astype(np.float32)
    buffer = HandBuffer(
        depth=np.full((size[1], size[0]), _FAR, np.float32),
        ids=np.zeros((size[1], size[0]), np.uint8),
        points=((_flesh(points, palm) - shift) * step).astype(np.float32),
        radii=_RADII * np.float32(palm * scale),
        palm=palm * scale,
        side=side,
    )
    _fill(buffer, end)
    alpha = _opacity(buffer, end)
    if scale < 1.6:
        alpha = np.asarray(cv2.GaussianBlur(alpha, (3, 3), 0), np.float32)
    # The forearm's own layer is sorted as a whole: here it must not cover another hand.
    depth = np.where(buffer.ids == FOREARM, _FAR, buffer.depth)
    return Layer(
        x=int(low[0]),
        y=int(low[1]),
        rgb=resized(skin_image(buffer, skin, light_from), width, height),
        alpha=resized(alpha, width, height),
        depth=cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST) / np.float32(scale),
    )


def _flesh(points: Array, palm: float) -> Array:
    across = points[5] - points[17]
    along = points[9] - points[0]
    moved = points + _FLESH * palm * across / (np.linalg.norm(across) + 1e-6)
    moved[0] -= 0.03 * palm * along / (np.linalg.norm(along) + 1e-6)
    return moved


def _stub(points: Array, elbow: Array, palm: float, bare: float) -> Array:
    """Where the piece of forearm that is drawn with the hand ends."""
    towards = elbow - points[0]
    length = float(np.linalg.norm(towards[:2])) + 1e-6
    reach = min(bare * palm, 0.6 * length)
    slope = np.clip(towards[2] / length, -1.0, 1.0)
    return np.array([*(points[0, :2] + towards[:2] / length * reach), points[0, 2] + slope * reach], np.float32)


def _opacity(buffer: HandBuffer, stub: Array) -> Array:
    """Opaque, but for the piece of forearm, which fades into the forearm's own layer."""
    start = buffer.points[0, :2]
    towards = stub[:2] - start
    towards = towards / (float(towards @ towards) + 1e-6)
    height, width = buffer.ids.shape
    x = (np.arange(width, dtype=np.float32)[None] - start[0]) * towards[0]
    y = (np.arange(height, dtype=np.float32)[:, None] - start[1]) * towards[1]
    fade = np.clip((np.float32(0.95) - x - y) * 2, 0, 1)
    fade[(buffer.ids != FOREARM) & (buffer.ids > 0)] = 1
    fade[buffer.ids == 0] = 0
    return np.asarray(fade, np.float32)


def _fill(buffer: HandBuffer, stub: Array) -> None:
    """Draw all bones into the depth buffer, in place."""
    points, radii, palm = buffer.points, buffer.radii, buffer.palm
    bare = float(np.linalg.norm((stub - points[0])[:2])) / palm
    _bone(buffer, points[0], stub, radii[0] * 0.96, radii[0] * (0.96 + 0.38 * bare), FOREARM)
    _palm_surface(buffer)
    for finger, joints in enumerate(FINGERS):
        for segment, (a, b) in enumerate(pairwise(joints)):
            start, end, end_radius = points[a], points[b], radii[b]
            if segment == 2:
                length = float(np.linalg.norm(end - start)) + 1e-6
                end = end - (end - start) / length * min(_TIP_PULL * end_radius, 0.5 * length)
            _bone(buffer, start, end, radii[a], end_radius, 10 * (finger + 1) + segment)


def _palm_surface(buffer: HandBuffer) -> None:
    points, radii, palm, normal = buffer.points, buffer.radii, buffer.palm, buffer.palm_normal
    thick = radii[0] * 0.66
    for a, b, c in ((0, 1, 5), (1, 2, 5), (0, 5, 9), (0, 9, 13), (0, 13, 17)):
        _plate(buffer, points[[a, b, c]], thick if b != 2 else thick * 0.7)
    for knuckle in _KNUCKLES:
        _bone(buffer, points[0], points[knuckle], radii[0] * 0.72, radii[knuckle], PALM)
        # Knuckles stand out of the back of the hand, with tendons running to them.
        ridge = points[knuckle] - normal * 0.045 * palm
        middle = points[0] * 0.45 + points[knuckle] * 0.55
        _bone(buffer, middle, ridge, radii[knuckle] * 0.7, radii[knuckle] * 0.92, PALM)
    webs = [points[a] + 0.34 * (points[a + 1] - points[a]) for a in _KNUCKLES]
    for i, (a, b) in enumerate(pairwise(_KNUCKLES)):
        # Webs exist between neighbouring fingers only when these point the same way.
        if np.linalg.norm(webs[i] - webs[i + 1]) < 1.7 * np.linalg.norm(points[a] - points[b]):
            _bone(buffer, webs[i], webs[i + 1], radii[6] * 0.62, radii[6] * 0.62, PALM)
        else:
            _bone(buffer, points[a], points[b], radii[a] * 0.95, radii[b] * 0.95, PALM)
    mound = normal * 0.05 * palm
    _bone(buffer, points[0] * 0.45 + points[1] * 0.55 + mound, points[2] + mound * 0.5, radii[1], radii[2], PALM)
    _bone(buffer, points[0] + mound, points[0] * 0.35 + points[17] * 0.65 + mound, radii[0] * 0.78, radii[17], PALM)


def _bone(buffer: HandBuffer, start: Array, end: Array, r0: float, r1: float, identity: int) -> None:
    """A sphere swept from start to end with the radius going from r0 to r1, into the depth buffer."""
    depth = buffer.depth
    margin = max(r0, r1) + 1
    left = max(0, int(min(start[0], end[0]) - margin))
    top = max(0, int(min(start[1], end[1]) - margin))
    right = min(depth.shape[1], int(max(start[0], end[0]) + margin) + 1)
    bottom = min(depth.shape[0], int(max(start[1], end[1]) + margin) + 1)
    if right <= left or bottom <= top:
        return
    x = np.arange(left, right, dtype=np.float32)[None] - np.float32(start[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(start[1])
    dx, dy, dz = (np.float32(v) for v in end - start)
    length2 = dx * dx + dy * dy + np.float32(1e-4)
    dot = x * dx + y * dy
    along = dot * (1 / length2)
    np.maximum(along, 0, out=along)
    np.minimum(along, 1, out=along)
    radius = along * np.float32(r1 - r0) + np.float32(r0)
    # Height above the axis: radius² minus the squared distance |p|² - along (2 p·d - along |d|²).
    dot *= 2
    dot -= along * length2
    rise = radius * radius
    rise += dot * along
    rise -= x * x + y * y
    surface = along * dz
    surface += np.float32(start[2])
    surface -= np.sqrt(np.maximum(rise, 0))
    window = depth[top:bottom, left:right]
    nearer = (rise > 0) & (surface < window)
    np.copyto(window, surface, where=nearer)
    np.copyto(buffer.ids[top:bottom, left:right], np.uint8(identity), where=nearer)


def _plate(buffer: HandBuffer, corners: Array, thick: float) -> None:
    """A flat triangle (3, 3) lifted towards the camera by `thick`."""
    depth = buffer.depth
    low = np.maximum(np.floor(corners[:, :2].min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(corners[:, :2].max(axis=0)) + 1, depth.shape[::-1]).astype(int)
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (tuple(map(float, corner)) for corner in corners)
    area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy)
    if abs(area) < 1 or (high <= low).any():
        return
    x = np.arange(low[0], high[0], dtype=np.float32)[None] - np.float32(cx)
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None] - np.float32(cy)
    first = (x * np.float32(by - cy) + y * np.float32(cx - bx)) * np.float32(1 / area)
    second = (x * np.float32(cy - ay) + y * np.float32(ax - cx)) * np.float32(1 / area)
    surface = np.float32(cz - thick) + first * np.float32(az - cz) + second * np.float32(bz - cz)
    window = depth[low[1] : high[1], low[0] : high[0]]
    nearer = (first >= 0) & (second >= 0) & (first + second <= 1) & (surface < window)
    np.copyto(window, surface, where=nearer)
    np.copyto(buffer.ids[low[1] : high[1], low[0] : high[0]], np.uint8(PALM), where=nearer)
