"""Light, colour, nails and lines of the avatar's hands.

The shading is what makes a drawn hand readable: gaps between fingers are dark, ridges bright, nails show on the back
and lines in the palm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from models.lexicon.avatar_canvas import LIGHT, Array, Colour, Image, mixed, polygon, stroke
from models.pose.landmarks import FINGERS

PALM, FOREARM = 1, 2  # ids in the buffer; finger f's segment s is 10 * (f + 1) + s

_RIM, _GAP, _LINES = 0.40, 0.42, 0.34  # how dark outlines, gaps between parts and skin lines are
_RELIEF = 0.045  # smoothing of the palm's relief, in palm lengths
_SHINE, _SHINE_FROM = 150.0, 0.94
_STEPS = 200.0  # light is looked up in tables: this step is the skin's own colour


@dataclass(frozen=True, kw_only=True)
class HandBuffer:
    """A hand as a picture of depths and part ids, in pixels of its own."""

    depth: Array  # (h, w)
    ids: Image  # (h, w), 0 where there is no hand
    points: Array  # (21, 3)
    radii: Array  # (21,)
    palm: float  # palm length
    side: str  # the signer's "left" or "right"

    @cached_property
    def palm_normal(self) -> Array:
        """Unit vector out of the palm; its z is negative when the palm faces the camera."""
        normal = _cross(self.points[5] - self.points[0], self.points[17] - self.points[0])
        return _unit(normal if self.side == "right" else -normal)

    @cached_property
    def dorsals(self) -> Array:
        """(5, 3, 3) unit vectors out of the back of each finger's segments."""
        chains = self.points[np.array(FINGERS)]
        along = _unit(np.diff(chains, axis=1))
        across = _unit(self.points[5] - self.points[17])
        dorsal = _cross(along, np.broadcast_to(across, along.shape)) * (1 if self.side == "right" else -1)
        # The thumb is turned a quarter against the fingers: its nail looks to the thumb side of the hand.
        thumb = 0.66 * across - 0.75 * self.palm_normal
        dorsal[0] = thumb - along[0] * (along[0] @ thumb)[:, None]
        return _unit(dorsal)


def skin_image(buffer: HandBuffer, skin: Colour, light_from: Array = LIGHT) -> Image:
    """The hand as (h, w, 3) RGB; `light_from` (3,) points to the light: x right, y down, z away from the camera."""
    lines = np.zeros(buffer.ids.shape, np.uint8)
    tone = _tones(buffer, skin)
    nails = _nails(buffer, tone, lines, skin)
    _creases(buffer, lines)
    light = _light(buffer, light_from)
    light *= 1 - np.float32(_LINES / 255) * cv2.GaussianBlur(lines, (0, 0), 0.010 * buffer.palm + 0.25)
    blur = max(3, round(0.05 * buffer.palm) | 1)
    tone = np.asarray(cv2.GaussianBlur(tone, (blur, blur), 0), np.uint8)
    level = np.clip(light * _STEPS, 0, 255).astype(np.uint8)
    step = np.arange(256, dtype=np.float32) / np.float32(_STEPS)
    # Skin keeps its red in the shadow.
    curves = np.stack([step**0.72, step, step**1.14], axis=-1)[None].astype(np.float32)
    lit = cv2.multiply(tone, cv2.LUT(cv2.merge([level] * 3), curves), dtype=cv2.CV_8U)
    # On dark skin form shows in the gleam more than in the shade.
    shine = 60 + _SHINE * (1 - sum(skin) / 765)
    gleam = cv2.LUT(level, np.clip((step - _SHINE_FROM) * shine, 0, 255).astype(np.uint8)[None])
    gleam = cv2.add(gleam, cv2.min(nails, cv2.LUT(level, np.clip((step - 0.96) * 160, 0, 255).astype(np.uint8)[None])))
    return np.asarray(cv2.add(lit, cv2.merge([gleam] * 3)), np.uint8)


def _light(buffer: HandBuffer, light_from: Array) -> Array:
    ids, palm = buffer.ids, buffer.palm
    inside = ids > 0
    back = float(buffer.depth[inside].max()) + 0.2 * palm if inside.any() else 0.0
    depth = np.minimum(buffer.depth, np.float32(back))
    fine = cv2.GaussianBlur(depth, (0, 0), 0.022 * palm)
    broad = cv2.GaussianBlur(depth, (0, 0), _RELIEF * palm)
    flat = cv2.blur((ids == PALM).astype(np.uint8) * np.uint8(255), (max(1, round(0.12 * palm)),) * 2)
    light = _lambert(fine + (broad - fine) * np.clip(flat * np.float32(2.2 / 255) - np.float32(1.2), 0, 1), light_from)
    # Behind its surroundings: the gap between fingers, the palm under a thumb.
    around = cv2.blur(depth, (max(3, round(0.38 * palm)),) * 2)
    hidden = np.clip((depth - around) * np.float32(3.4 / palm), 0, np.float32(0.8))
    edge = cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    rim = cv2.GaussianBlur(np.clip(edge * np.float32(5.0 / palm) - np.float32(0.42), 0, 1), (3, 3), 0)
    rim[ids == FOREARM] *= 0.25  # it goes on as the forearm's own layer, without an outline
    light *= 1 - np.float32(_GAP) * hidden
    light *= 1 - np.float32(_RIM) * rim
    return light


def _lambert(depth: Array, light_from: Array) -> Array:
    """Light on a depth map, about 0.6 in shadow and 1.1 where it faces the light."""
    slope_x = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=1 / 8)
    toward = light_from / np.linalg.norm(light_from)
    # A surface z(x, y) seen from -z has the normal (dz/dx, dz/dy, -1).
    cosine = slope_x * toward[0] + slope_y * toward[1] - toward[2]
    cosine /= cv2.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    return np.asarray(np.float32(0.56) + np.float32(0.56) * np.maximum(cosine, 0), np.float32)


def _tones(buffer: HandBuffer, skin: Colour) -> Image:
    """Unlit colours: the palm and the inside of the fingers lighter and redder than the back, dark skin's most."""
    darkness = 1 - sum(skin) / 765
    inner = mixed(skin, (226, 164, 138), 0.10 + 0.55 * max(0.0, darkness - 0.25))
    table = np.zeros((1, 256, 3), np.uint8)
    table[:] = mixed(skin, (0, 0, 0), 0.5)  # outside: seen only as the dark rim of the averaged edge
    table[0, FOREARM] = skin
    table[0, PALM] = mixed(skin, inner, float(np.clip(0.5 - 1.6 * buffer.palm_normal[2], 0, 1)))
    shares = np.clip(0.5 + 1.6 * buffer.dorsals[..., 2], 0, 1)
    for finger in range(5):
        for segment in range(3):
            tone = mixed(skin, inner, float(shares[finger, segment]))
            table[0, 10 * (finger + 1) + segment] = mixed(tone, (232, 120, 100), 0.05 * segment)
    return np.asarray(cv2.LUT(cv2.merge([buffer.ids] * 3), table), np.uint8)


def _nails(buffer: HandBuffer, tone: Image, lines: Image, skin: Colour) -> Image:
    """Paint the nails into tone and their rims into lines, in place; returns their mask."""
    nails = np.zeros(buffer.ids.shape, np.uint8)
    colour = mixed(mixed(skin, (250, 214, 200), 0.50), (255, 255, 255), 0.05)
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    # A rounded rectangle wrapped around the upper side of the last segment.
    u = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.7
    angle = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.7 * 0.88
    for finger, joints in enumerate(FINGERS):
        dorsal = buffer.dorsals[finger, 2]
        if dorsal[2] > -0.2:
            continue
        along = buffer.points[joints[3]] - buffer.points[joints[2]]
        sideways = _cross(dorsal, _unit(along))
        around = np.cos(angle)[:, None] * dorsal + np.sin(angle)[:, None] * sideways
        outline = buffer.points[joints[2]] + (0.70 + 0.27 * u)[:, None] * along + buffer.radii[joints[3]] * around
        nail = np.zeros_like(nails)
        polygon(nail, outline[:, :2])
        own = buffer.ids == 10 * (finger + 1) + 2
        nails[own] |= nail[own]
        rim = np.zeros_like(nails)
        stroke(rim, outline[:, :2], 0.014 * buffer.palm, 110, closed=True)
        lines[own] |= rim[own]
    tone[nails > 100] = colour
    return nails


def _creases(buffer: HandBuffer, lines: Image) -> None:
    """Skin lines across the joints and in the palm, added to `lines` in place."""
    owner = np.zeros(buffer.ids.shape, np.uint8)
    width = 0.016 * buffer.palm
    angle = np.linspace(-0.95, 0.95, 7)[:, None]
    for finger, joints in enumerate(FINGERS):
        for joint in (1, 2):
            a = joints[joint]
            unit = _unit(buffer.points[joints[joint + 1]] - buffer.points[a])
            dorsal = buffer.dorsals[finger, joint]
            outward = dorsal if dorsal[2] < 0 else -dorsal
            arc = buffer.points[a] + buffer.radii[a] * (np.cos(angle) * outward + np.sin(angle) * _cross(dorsal, unit))
            for offset in (-0.16, 0.16) if joint == 1 else (0.0,):
                stroke(owner, (arc + offset * buffer.radii[a] * unit)[:, :2], width, finger + 1)
    lines[(owner > 0) & (owner == buffer.ids // 10)] = 255
    if buffer.palm_normal[2] < -0.15:
        drawn = np.zeros_like(owner)
        for line in _palm_lines(buffer.points):
            stroke(drawn, line, width, 255)
        lines[(drawn > 0) & (buffer.ids == PALM)] = 255


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


def _cross(a: Array, b: Array) -> Array:
    """Cross product of (..., 3) vectors; np.cross costs several times as much on single ones."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / (np.sqrt((vector * vector).sum(axis=-1, keepdims=True)) + 1e-6), np.float32)
