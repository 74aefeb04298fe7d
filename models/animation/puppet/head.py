"""The person's own head, moved: tilt, turn and nod, brows, lids and mouth, all by bending the picture.

The movement is taken apart: a similarity (moved, tilted, a little nearer) carries the head with its hair, fading out
down the neck; what the face's landmarks do beyond it (expression, turning, nodding) bends the picture locally, each
place following the landmarks near it. A mouth that opens wider than it is in the picture shows a dark inside with a
hint of teeth. A face at rest is the picture itself, pixel for pixel.

Shapes: K face landmarks, N nodes of the grid on which the bending is computed.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import KDTree

from models.animation.easing import eased
from models.animation.target import Target
from models.lexicon.avatar_canvas import Array, Layer
from models.pose import landmarks

_STIFF = (
    10,
    151,
    9,
    8,
    168,
    6,
    127,
    356,
    33,
    133,
    362,
    263,
    234,
    454,
    197,
)  # landmarks that do not take part in speech
_INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_FINE = (
    *_INNER_LIPS,
    *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146),  # outer lips
    *(33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),  # right eye
    *(263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),  # left eye
)
_UPPER_LIP, _LOWER_LIP, _MOUTH_ENDS, _FOREHEAD, _CHIN = 13, 14, (78, 308), 10, 152
_STEP = 3  # px between the nodes of the grid, at least
_NEIGHBOURS = 32  # landmarks that a node follows
_REACH, _FINE_REACH = 0.06, 0.012  # of the face's height: landmarks nearer than this act as one; lids and lips
_ROUNDS = 8
_STILL_PX = 0.2
_MOST_TILT, _MOST_MOVE, _LEAST_SIZE, _MOST_SIZE = 0.45, 0.35, 0.9, 1.12  # radians, heights of the face, ratios
_MOUTH_INSIDE = (58, 22, 24)
_TEETH = (226, 218, 208)


class Head:
    """One target's head, ready to be moved."""

    def __init__(self, target: Target, rgba: NDArray[np.uint8]) -> None:
        """rgba (H, W, 4): the head with hair and neck, cut out of the picture, in its pixels."""
        self._rest = landmarks.component(target.pose, landmarks.FACE)[0][0, : landmarks.NUM_FACE, :2].astype(np.float32)
        self._moves = bool(landmarks.seen(target.pose, landmarks.FACE)[0])
        self._size = float(np.linalg.norm(self._rest[_FOREHEAD] - self._rest[_CHIN])) + 1e-6
        self._x, self._y, self._rgb, self._alpha = self._window(rgba)
        self._still = Layer(x=self._x, y=self._y, rgb=self._rgb, alpha=self._alpha)
        if not self._moves:
            return
        height, width = self._alpha.shape
        step = max(_STEP, round(self._size / 64))
        across, down = np.arange(0, width + step, step), np.arange(0, height + step, step)
        nodes = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2).astype(np.float32)
        self._grid, self._grid_step = (len(down), len(across)), step
        self._nodes = nodes + np.array([self._x, self._y], np.float32)
        self._weights = self._follow(self._nodes)
        self._carried = self._neck(target)

    def layer(self, face: Array) -> Layer:
        """The head with its face where `face` (K, 3) says, in px of the picture."""
        points = np.asarray(face[: landmarks.NUM_FACE, :2], np.float32)
        if not self._moves or float(np.abs(points - self._rest).max()) < _STILL_PX:
            return self._still
        turn, shift = self._similarity(points)
        back = np.linalg.inv(turn)
        local = (points - shift) @ back.T - self._rest  # what is left when the whole head is put back
        limit = 0.25 * self._size
        local = np.clip(local, -limit, limit).astype(np.float32)
        rigid = (self._nodes - shift) @ back.T.astype(np.float32)
        put_back = self._nodes + (rigid - self._nodes) * self._carried
        # The picture's own places of what is seen at the nodes: one step of the inverse of "moved by its landmarks".
        moved = self._sampled(put_back, self._weights @ local)
        source = put_back - moved
        maps = (source - np.array([self._x, self._y], np.float32)).reshape(*self._grid, 2)
        height, width = self._alpha.shape
        x, y = cv2.split(_enlarged(maps, self._grid_step, (width, height)))
        rgb = np.asarray(cv2.remap(self._rgb, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)
        alpha = np.asarray(cv2.remap(self._alpha, x, y, cv2.INTER_LINEAR), np.float32)
        return Layer(x=self._x, y=self._y, rgb=self._mouth(rgb, points), alpha=alpha)

    def _window(self, rgba: NDArray[np.uint8]) -> tuple[int, int, NDArray[np.uint8], Array]:
        """The part of the picture that the head can get into."""
        height, width = rgba.shape[:2]
        rows, columns = (np.flatnonzero(rgba[..., 3].any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return 0, 0, np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.float32)
        room = round(0.4 * self._size)
        top, bottom = max(0, rows[0] - room), min(height, rows[-1] + 1 + room // 4)
        left, right = max(0, columns[0] - room), min(width, columns[-1] + 1 + room)
        part = rgba[top:bottom, left:right]
        alpha = part[..., 3].astype(np.float32) / np.float32(255)
        return int(left), int(top), _bled(part), alpha

    def _follow(self, nodes: Array) -> csr_array:
        """(N, K) how much each node follows each landmark: Shepard's weights of the nearest ones."""
        apart, index = KDTree(self._rest).query(nodes, k=_NEIGHBOURS)
        reach = np.full(len(self._rest), _REACH)
        reach[list(_FINE)] = _FINE_REACH
        weights = 1 / (apart**2 + (reach[index] * self._size) ** 2) ** 2
        weights /= weights.sum(axis=1, keepdims=True)
        # Hair and ears follow less the farther they are; the similarity moves them anyway.
        weights *= np.clip(1.15 - 1.2 * apart[:, :1] / self._size, 0, 1)
        row = np.repeat(np.arange(len(nodes)), _NEIGHBOURS)
        shape = (len(nodes), len(self._rest))
        return csr_array((weights.ravel().astype(np.float32), (row, index.ravel())), shape=shape)

    def _neck(self, target: Target) -> Array:
        """(N, 1) how much each node goes along with the head: all of it above the chin, nothing at the shoulders."""
        body = landmarks.component(target.pose, landmarks.BODY)[0][0]
        chin = float(self._rest[_CHIN, 1])
        base = max(float(body[[11, 12], 1].mean()), chin + 0.25 * self._size)
        return np.asarray(eased((base - self._nodes[:, 1:]) / (base - chin)), np.float32)

    def _similarity(self, points: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Turn (2, 2) and shift (2,) that carry the head at rest to where it is, within what a neck can do."""
        rest, now = self._rest[list(_STIFF)].astype(float), points[list(_STIFF)].astype(float)
        a, b = rest - rest.mean(axis=0), now - now.mean(axis=0)
        size = max(float((a * a).sum()), 1e-6)
        cos, sin = float((a * b).sum()) / size, float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / size
        scale = float(np.clip(np.hypot(cos, sin), _LEAST_SIZE, _MOST_SIZE))
        tilt = float(np.clip(np.arctan2(sin, cos), -_MOST_TILT, _MOST_TILT))
        turn = scale * np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        move = np.clip(now.mean(axis=0) - rest.mean(axis=0), -_MOST_MOVE * self._size, _MOST_MOVE * self._size)
        return turn, rest.mean(axis=0) + move - turn @ rest.mean(axis=0)

    def _sampled(self, places: Array, moved: Array) -> Array:
        """The nodes' movement (N, 2) read at other places (N, 2), between the nodes."""
        at = (places - np.array([self._x, self._y], np.float32)) / np.float32(self._grid_step)
        # A place p is seen at q = p + moved(p): p = q - moved(p) is solved by going round a few times.
        field = moved.reshape(*self._grid, 2).astype(np.float32)
        found = _read(field, at)
        for _ in range(_ROUNDS):
            found = (found + _read(field, at - found / np.float32(self._grid_step))) / 2
        return found

    def _mouth(self, rgb: NDArray[np.uint8], points: Array) -> NDArray[np.uint8]:
        """The dark inside of a mouth that is open wider than in the picture."""
        wide = float(np.linalg.norm(points[_MOUTH_ENDS[0]] - points[_MOUTH_ENDS[1]])) + 1e-6
        gap = float(np.linalg.norm(points[_UPPER_LIP] - points[_LOWER_LIP]))
        before = float(np.linalg.norm(self._rest[_UPPER_LIP] - self._rest[_LOWER_LIP]))
        opened = float(np.clip(((gap - before) / wide - 0.03) / 0.12, 0, 1))
        if opened <= 0 or before > 0.5 * gap:
            return rgb  # closed, or the picture itself shows what is inside
        lips = points[list(_INNER_LIPS)] - np.array([self._x, self._y], np.float32)
        left, top = np.floor(lips.min(axis=0) - 3).astype(int)
        right, bottom = np.ceil(lips.max(axis=0) + 4).astype(int)
        left, top = max(left, 0), max(top, 0)
        window = rgb[top:bottom, left:right]
        if not window.size:
            return rgb
        mask = np.zeros(window.shape[:2], np.uint8)
        polygon = np.round((lips - (left, top)) * 16).astype(np.int32)
        cv2.fillPoly(mask, [polygon], (255,), cv2.LINE_AA, 4)
        share = (
            cv2.GaussianBlur(mask, (0, 0), max(0.012 * self._size, 0.6)).astype(np.float32)[..., None] / 255 * opened
        )
        inside = np.empty_like(window)
        inside[:] = _MOUTH_INSIDE
        # The upper teeth are a band below the upper lip, seen from a certain opening on.
        teeth = np.roll(mask, round(0.35 * gap), axis=0)
        band = cv2.GaussianBlur(cv2.subtract(mask, teeth), (0, 0), max(0.1 * gap, 0.6)).astype(np.float32)[..., None]
        show = float(np.clip((gap / wide - 0.12) / 0.2, 0, 0.75))
        inside = (inside + (np.array(_TEETH, np.float32) - inside) * (band / 255 * show)).astype(np.uint8)
        out = rgb.copy()
        out[top:bottom, left:right] = (window * (1 - share) + inside * share).astype(np.uint8)
        return out


def _bled(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colours, those of the edge carried on outside of it, so that a soft edge never shows the background."""
    solid = (rgba[..., 3] > 200).astype(np.float32)
    colour = rgba[..., :3].astype(np.float32) * solid[..., None]
    out = rgba[..., :3].copy()
    todo = rgba[..., 3] < 128
    for sigma in (2.0, 8.0):
        spread = cv2.GaussianBlur(solid, (0, 0), sigma)
        near = todo & (spread > 0.02)
        out[near] = (cv2.GaussianBlur(colour, (0, 0), sigma)[near] / spread[near][:, None]).astype(np.uint8)
        todo &= ~near
    return out


def _read(field: Array, at: Array) -> Array:
    """A field (h, w, 2) between its nodes at places (N, 2) in steps of the grid."""
    columns = np.ascontiguousarray(at[:, 0], np.float32).reshape(1, -1)
    rows = np.ascontiguousarray(at[:, 1], np.float32).reshape(1, -1)
    read = [
        cv2.remap(
            np.ascontiguousarray(field[..., axis]), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        for axis in (0, 1)
    ]
    return np.stack([one[0] for one in read], axis=-1).astype(np.float32)


def _enlarged(maps: Array, step: int, size: tuple[int, int]) -> Array:
    """Maps (h, w, 2) of a grid with `step` px between its nodes, for every pixel of size (width, height)."""
    affine = np.array([[step, 0, 0], [0, step, 0]], np.float32)
    return np.asarray(
        cv2.warpAffine(maps.astype(np.float32), affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )
