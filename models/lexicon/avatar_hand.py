"""One shaded hand of the avatar: a small depth buffer of rounded bones, lit, with nails, creases and palm lines.

Detectors read a hand by its shading: dark gaps between fingers, bright ridges, nails on the back, lines in the palm.
A depth buffer gets the order of curled fingers right for free, where a sorted list of strokes cannot (a thumb
crosses the palm in front at its tip and behind at its base).

Points are (21, 3) in output pixels, z growing away from the camera on the same scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lexicon.avatar_canvas import LIGHT, Array, Colour, Image, Layer, mixed, resized, stroke

# Radii of the 21 landmarks in palm lengths (wrist to knuckles): wrist, thumb, index, middle, ring, little finger.
_RADII = np.array(
    [.235, .210, .178, .146, .118, .150, .136, .119, .101, .152, .140, .121, .104,
     .146, .132, .115, .099, .134, .114, .099, .086], np.float32)  # fmt: skip
_FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
_KNUCKLES = (5, 9, 13, 17)
_TIP_PULL = 0.55  # the tip landmark sits near the end of the fingertip: pull the rounded end back by this many radii
_PALM, _FOREARM = 1, 2  # ids in the buffer; finger f's segment s is 10 * (f + 1) + s
_FAR = np.float32(1e6)
_RIM, _GAP, _LINES = 0.40, 0.42, 0.34  # how dark outlines, gaps between parts and skin lines are
_RELIEF = 0.045  # smoothing of the palm's relief, in palm lengths
_CANVAS_PALM = 84.0  # palm length in the buffer that hands are worth: finer gains nothing, coarser loses nails


@dataclass(frozen=True, kw_only=True)
class HandStyle:
    """Colours of a hand."""

    skin: Colour

    @property
    def palm(self) -> Colour:
        """Palms are lighter and redder than the back of the hand, on dark skin much more so."""
        darkness = 1 - sum(self.skin) / 765
        return mixed(self.skin, (226, 164, 138), 0.10 + 0.55 * max(0.0, darkness - 0.25))

    @property
    def nail(self) -> Colour:
        """A lighter pink than the skin."""
        return mixed(mixed(self.skin, (250, 214, 200), 0.55), (255, 255, 255), 0.06)


@dataclass(frozen=True)
class _Buffer:
    depth: Array  # (h, w) px of the buffer, _FAR where empty
    ids: Image  # (h, w)
    points: Array  # (21, 3) in the buffer
    radii: Array  # (21,) in the buffer
    palm: float  # palm length in the buffer


def palm_length(points: Array) -> Array:
    """Length of the palm, wrist to knuckles, that the whole hand suggests: (...,) for (..., 21, 3).

    A foreshortened hand loses length where detectors guess depth too small; its width and its index finger, in their
    usual proportion, make up for it.
    """
    length = np.linalg.norm(points[..., _KNUCKLES, :] - points[..., :1, :], axis=-1).mean(axis=-1)
    width = np.linalg.norm(points[..., 5, :] - points[..., 17, :], axis=-1)
    finger = np.linalg.norm(np.diff(points[..., 5:9, :], axis=-2), axis=-1).sum(axis=-1)
    return np.asarray((length + width / 0.65 + finger / 0.98) / 3, np.float32)


def facing_palm(points: Array, side: str) -> float:
    """Cosine of the palm's direction to the camera: 1 shows the palm, -1 the back of the hand, 0 its edge."""
    normal = np.cross(points[5] - points[0], points[17] - points[0])
    towards = -float(normal[2]) / (float(np.linalg.norm(normal)) + 1e-6)
    return towards if side == "right" else -towards


def hand_layer(
    points: Array,
    side: str,
    style: HandStyle,
    *,
    palm: float,
    elbow: Array,
    bare: float = 0.85,
    frame_size: tuple[int, int],
    supersample: int = 2,
) -> Layer | None:
    """Draw one hand with the last part of its forearm.

    points (21, 3) and elbow (3,) in output px; side "left" or "right" (the signer's); palm: palm length in px, which
    sets the thickness; bare: palm lengths of forearm drawn with the hand; frame_size (width, height). Returns None when nothing of it is inside the frame.
    """
    stub = _stub(points, elbow, palm, bare)
    everything = np.concatenate([points, stub[None]])
    low = np.floor(everything[:, :2].min(axis=0) - 0.4 * palm).astype(int)
    high = np.ceil(everything[:, :2].max(axis=0) + 0.4 * palm).astype(int)
    low, high = np.maximum(low, -2), np.minimum(high, np.add(frame_size, 2))
    width, height = (int(v) for v in high - low)
    if width < 2 or height < 2 or palm < 1:
        return None
    scale = float(np.clip(_CANVAS_PALM / palm, 1.25, max(1.25, 1.5 * supersample)))
    size = (round(width * scale), round(height * scale))
    step = np.array([size[0] / width, size[1] / height, scale], np.float32)
    shift = np.array([low[0], low[1], 0], np.float32)
    radii = _RADII * palm * scale
    buffer = _fill(((points - shift) * step).astype(np.float32), ((stub - shift) * step), radii, size, palm * scale, side)
    rgb, fade = _lit(buffer, side, style, (stub - shift) * step)
    alpha = fade * (buffer.ids > 0)
    small = resized(cv2.GaussianBlur(alpha, (3, 3), 0) if scale < 1.6 else alpha, width, height)
    # Colours outside the hand were filled with its own, so plain averaging leaves no dark fringe.
    # The forearm's own layer is sorted as a whole: here it must not cover another hand.
    depth = np.where(buffer.ids == _FOREARM, _FAR, buffer.depth)
    depth = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST) / np.float32(scale)
    return Layer(x=int(low[0]), y=int(low[1]), rgb=resized(rgb, width, height), alpha=small, depth=depth)


def _stub(points: Array, elbow: Array, palm: float, bare: float) -> Array:
    """Where the piece of forearm that is drawn with the hand ends."""
    towards = elbow - points[0]
    length = float(np.linalg.norm(towards[:2])) + 1e-6
    reach = min(bare * palm, 0.6 * length)
    slope = np.clip(towards[2] / length, -1.0, 1.0)
    return np.array([*(points[0, :2] + towards[:2] / length * reach), points[0, 2] + slope * reach], np.float32)


# ---------------------------------------------------------------------------------------------- geometry


def _fill(
    points: Array, stub: Array, radii: Array, size: tuple[int, int], palm: float, side: str
) -> _Buffer:
    depth = np.full((size[1], size[0]), _FAR, np.float32)
    ids = np.zeros((size[1], size[0]), np.uint8)
    bare = float(np.linalg.norm((stub - points[0])[:2])) / palm
    _bone(depth, ids, points[0], stub, radii[0] * 0.96, radii[0] * (0.96 + 0.38 * bare), _FOREARM)
    _palm_surface(depth, ids, points, radii, palm, side)
    for finger, joints in enumerate(_FINGERS):
        for segment, (a, b) in enumerate(zip(joints[:-1], joints[1:], strict=True)):
            start, end, end_radius = points[a], points[b], radii[b]
            if segment == 2:
                length = float(np.linalg.norm(end - start)) + 1e-6
                end = end - (end - start) / length * min(_TIP_PULL * end_radius, 0.5 * length)
            # Phalanges are slimmer between the joints; two cones meeting in the middle show that.
            middle, waist = (start + end) / 2, 0.47 * (radii[a] + end_radius)
            identity = 10 * (finger + 1) + segment
            _bone(depth, ids, start, middle, radii[a], waist, identity)
            _bone(depth, ids, middle, end, waist, end_radius, identity)
    return _Buffer(depth, ids, points, radii, palm)


def _palm_surface(depth: Array, ids: Image, points: Array, radii: Array, palm: float, side: str) -> None:
    normal = np.cross(points[5] - points[0], points[17] - points[0])
    normal = normal / (np.linalg.norm(normal) + 1e-6) * (1 if side == "right" else -1)  # out of the palm
    webs = [points[a] + 0.34 * (points[b] - points[a]) for a, b in ((5, 6), (9, 10), (13, 14), (17, 18))]
    thick = radii[0] * 0.66
    for a, b, c in ((0, 1, 5), (1, 2, 5), (0, 5, 9), (0, 9, 13), (0, 13, 17)):
        corners = np.stack([points[a], points[b], points[c]])
        _plate(depth, ids, corners, thick if b != 2 else thick * 0.7)
    for knuckle in _KNUCKLES:
        _bone(depth, ids, points[0], points[knuckle], radii[0] * 0.72, radii[knuckle], _PALM)
        # Knuckles stand out of the back of the hand, with tendons running to them.
        ridge = points[knuckle] - normal * 0.045 * palm
        _bone(depth, ids, points[0] * 0.45 + points[knuckle] * 0.55, ridge, radii[knuckle] * 0.7, radii[knuckle] * 0.92, _PALM)
    for first, second, (a, b) in zip(webs, webs[1:], ((5, 9), (9, 13), (13, 17)), strict=False):
        # Webs exist between neighbouring fingers only when these point the same way.
        if np.linalg.norm(first - second) < 1.7 * np.linalg.norm(points[a] - points[b]):
            _bone(depth, ids, first, second, radii[6] * 0.62, radii[6] * 0.62, _PALM)
        _bone(depth, ids, points[a], points[b], radii[a] * 0.95, radii[b] * 0.95, _PALM)
    mound = normal * 0.05 * palm
    _bone(depth, ids, points[0] * 0.45 + points[1] * 0.55 + mound, points[2] + mound * 0.5, radii[1], radii[2], _PALM)
    _bone(depth, ids, points[0] + mound, points[0] * 0.35 + points[17] * 0.65 + mound, radii[0] * 0.78, radii[17], _PALM)


def _bone(depth: Array, ids: Image, start: Array, end: Array, r0: float, r1: float, identity: int) -> None:
    """A sphere swept from start to end with the radius going from r0 to r1, into the depth buffer."""
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
    along = np.clip((x * dx + y * dy) * (1 / (dx * dx + dy * dy + np.float32(1e-4))), 0, 1)
    away = (x - along * dx) ** 2 + (y - along * dy) ** 2
    rise = (np.float32(r0) + np.float32(r1 - r0) * along) ** 2 - away
    surface = np.float32(start[2]) + along * dz - np.sqrt(np.maximum(rise, 0))
    window = depth[top:bottom, left:right]
    nearer = (rise > 0) & (surface < window)
    np.copyto(window, surface, where=nearer)
    np.copyto(ids[top:bottom, left:right], np.uint8(identity), where=nearer)


def _plate(depth: Array, ids: Image, corners: Array, thick: float) -> None:
    """A flat triangle (3, 3) lifted towards the camera by `thick`."""
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
    np.copyto(ids[low[1] : high[1], low[0] : high[0]], np.uint8(_PALM), where=nearer)


# ---------------------------------------------------------------------------------------------- light and colour


def _lit(buffer: _Buffer, side: str, style: HandStyle, stub: Array) -> tuple[Image, Array]:
    """Colours (h, w, 3) and the opacity (h, w) with which the forearm's piece fades into the forearm."""
    ids, palm = buffer.ids, buffer.palm
    inside = ids > 0
    back = float(buffer.depth[inside].max()) + 0.2 * palm if inside.any() else 0.0
    depth = np.minimum(buffer.depth, np.float32(back))
    fine = cv2.GaussianBlur(depth, (0, 0), 0.022 * palm)
    broad = cv2.GaussianBlur(depth, (0, 0), _RELIEF * palm)
    flat = cv2.GaussianBlur(((ids == _PALM) | (ids == _FOREARM)).astype(np.float32), (0, 0), 0.05 * palm)
    flat = np.clip(flat * 2.2 - 1.2, 0, 1)
    light = _lambert(fine + (broad - fine) * flat)
    # Behind its surroundings: the gap between fingers, the palm under a thumb.
    hidden = np.clip((depth - cv2.GaussianBlur(depth, (0, 0), 0.12 * palm)) * np.float32(3.4 / palm), 0, 1)
    edge = cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    rim = np.clip(edge * np.float32(5.0 / palm) - 0.42, 0, 1)
    rim = cv2.GaussianBlur(rim, (0, 0), 0.010 * palm + 0.3)
    light = light * (1 - _GAP * np.minimum(hidden, 0.8)) * (1 - _RIM * rim)
    light *= 1 - _LINES * _creases(buffer, side)
    return _coloured(light, buffer, side, style), _forearm_fade(buffer, stub)


def _lambert(depth: Array) -> Array:
    """Light on a depth map, about 0.6 in shadow and 1.15 where it faces the light."""
    slope_x = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=1 / 8)
    toward = LIGHT / np.linalg.norm(LIGHT)
    length = np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    # A surface z(x, y) seen from -z has the normal (dz/dx, dz/dy, -1).
    cosine = (slope_x * toward[0] + slope_y * toward[1] - toward[2]) / length
    return np.asarray(0.56 + 0.56 * np.clip(cosine, 0, 1), np.float32)


def _coloured(light: Array, buffer: _Buffer, side: str, style: HandStyle) -> Image:
    """Skin under the light, palm and back of each part in their own tone, nails on top."""
    tones = np.zeros((256, 3), np.float32)
    tones[:] = style.skin
    facing = facing_palm(buffer.points, side)
    tones[_PALM] = mixed(style.skin, style.palm, float(np.clip(0.5 + 1.6 * facing, 0, 1)))
    for finger, joints in enumerate(_FINGERS):
        for segment in range(3):
            dorsal = _dorsal(buffer.points, side, finger, joints[segment], joints[segment + 1])
            share = float(np.clip(0.5 + 1.6 * dorsal[2], 0, 1))
            tone = mixed(style.skin, style.palm, share)
            tones[10 * (finger + 1) + segment] = mixed(tone, (232, 120, 100), 0.05 * segment)
    tones[0] = np.multiply(style.skin, 0.5)  # seen only as the dark rim of the averaged edge
    base = tones[buffer.ids]
    base = cv2.GaussianBlur(base, (0, 0), 0.02 * buffer.palm)
    nails = _nails(buffer, side)[..., None]
    base = base + nails * (np.array(style.nail, np.float32) - base)
    gleam = np.clip(light - 1.0, 0, 1)[..., None] * (60 + 80 * nails)
    lifted = np.stack([np.power(light, 0.72), light, np.power(light, 1.14)], axis=-1)
    return np.clip(base * lifted + gleam, 0, 255).astype(np.uint8)


def _forearm_fade(buffer: _Buffer, stub: Array) -> Array:
    start = buffer.points[0, :2]
    towards = stub[:2] - start
    length2 = float(towards @ towards) + 1e-6
    height, width = buffer.ids.shape
    x = np.arange(width, dtype=np.float32)[None] - start[0]
    y = np.arange(height, dtype=np.float32)[:, None] - start[1]
    along = (x * towards[0] + y * towards[1]) / np.float32(length2)
    return np.where(buffer.ids == _FOREARM, np.clip((0.95 - along) / 0.5, 0, 1), 1).astype(np.float32)


# ---------------------------------------------------------------------------------------------- nails and lines


def _dorsal(points: Array, side: str, finger: int, a: int, b: int) -> Array:
    """Unit vector out of the back of a finger segment."""
    along = points[b] - points[a]
    along = along / (np.linalg.norm(along) + 1e-6)
    across = points[5] - points[17]
    across = across / (np.linalg.norm(across) + 1e-6)
    sign = 1.0 if side == "right" else -1.0
    if finger > 0:
        dorsal = sign * np.cross(along, across)
    else:
        # The thumb is turned a quarter against the fingers: its nail looks to the thumb side of the hand.
        back = -sign * np.cross(points[5] - points[0], points[17] - points[0])
        back = back / (np.linalg.norm(back) + 1e-6)
        dorsal = 0.75 * back + 0.66 * across
        dorsal = dorsal - along * float(dorsal @ along)
    return np.asarray(dorsal / (np.linalg.norm(dorsal) + 1e-6), np.float32)


def _around(buffer: _Buffer, side: str, finger: int, a: int, b: int) -> tuple[Array, Array, Array]:
    """Axis, dorsal and sideways vectors of a segment."""
    along = buffer.points[b] - buffer.points[a]
    dorsal = _dorsal(buffer.points, side, finger, a, b)
    sideways = np.cross(dorsal, along / (np.linalg.norm(along) + 1e-6))
    return along, dorsal, np.asarray(sideways, np.float32)


def _nails(buffer: _Buffer, side: str) -> Array:
    mask = np.zeros(buffer.ids.shape, np.float32)
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    for finger, joints in enumerate(_FINGERS):
        a, b = joints[2], joints[3]
        along, dorsal, sideways = _around(buffer, side, finger, a, b)
        if dorsal[2] > -0.12:
            continue
        radius = buffer.radii[b]
        # A rounded rectangle wrapped around the upper side of the last segment.
        u = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.7
        angle = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.7 * 0.88
        outline = buffer.points[a] + (0.70 + 0.27 * u)[:, None] * along
        outline = outline + radius * (np.cos(angle)[:, None] * dorsal + np.sin(angle)[:, None] * sideways)
        nail = np.zeros(buffer.ids.shape, np.uint8)
        cv2.fillPoly(nail, [np.round(outline[:, :2] * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        strength = float(np.clip((-dorsal[2] - 0.12) * 3, 0, 1)) * 0.75 / 255
        mask = np.maximum(mask, nail * np.float32(strength) * (buffer.ids == 10 * (finger + 1) + 2))
    return cv2.GaussianBlur(mask, (0, 0), 0.008 * buffer.palm + 0.2)


def _creases(buffer: _Buffer, side: str) -> Array:
    """Skin lines, (h, w) in 0..1: across the joints, around the nails, in the palm."""
    owner = np.zeros(buffer.ids.shape, np.uint8)
    width = 0.016 * buffer.palm
    for finger, joints in enumerate(_FINGERS):
        for joint in (1, 2):
            a, b = joints[joint], joints[joint + 1]
            along, dorsal, sideways = _around(buffer, side, finger, a, b)
            outward = dorsal if dorsal[2] < 0 else -dorsal
            unit = along / (np.linalg.norm(along) + 1e-6)
            radius, angle = buffer.radii[a], np.linspace(-0.95, 0.95, 7)[:, None]
            arc = buffer.points[a] + radius * (np.cos(angle) * outward + np.sin(angle) * sideways)
            for offset in (-0.16, 0.16) if joint == 1 else (0.0,):
                stroke(owner, (arc + offset * radius * unit)[:, :2].astype(np.float32), width, finger + 1)
    lines = (owner > 0) & (owner == buffer.ids // 10)
    facing = facing_palm(buffer.points, side)
    if facing > 0.15:
        palm_lines = np.zeros_like(owner)
        for line in _palm_lines(buffer.points):
            stroke(palm_lines, line, width, 1)
        lines |= (palm_lines > 0) & (buffer.ids == _PALM)
    return cv2.GaussianBlur(lines.astype(np.float32), (0, 0), 0.010 * buffer.palm + 0.25)


def _palm_lines(points: Array) -> list[Array]:
    """Life, head and heart line as (N, 2) curves."""
    wrist, index, middle, ring, little = (points[i, :2] for i in (0, 5, 9, 13, 17))
    edge = (wrist + little) / 2
    curves = (
        (index * 0.8 + wrist * 0.1 + points[2, :2] * 0.1, (index + middle + 2 * wrist) / 4, wrist * 0.9 + middle * 0.1),
        (index * 0.8 + points[2, :2] * 0.2, (middle + ring + edge) / 3, edge * 0.75 + ring * 0.25),
        (index * 0.5 + middle * 0.5, middle * 0.55 + ring * 0.2 + wrist * 0.25, little * 0.86 + wrist * 0.14),
    )
    t = np.linspace(0, 1, 10)[:, None]
    return [((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c).astype(np.float32) for a, b, c in curves]
