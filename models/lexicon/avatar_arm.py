"""Arms of the avatar: bare skin or sleeve, upper arm and forearm apart, so that each can be sorted by depth."""

from __future__ import annotations

import numpy as np

from models.lexicon.avatar_body import SHOULDER_RADIUS, limb
from models.lexicon.avatar_canvas import Array, Layer, mixed
from models.lexicon.looks import Look

_CUFF = 0.50  # palm lengths of bare wrist below a long sleeve
_HEMS = {"short": 0.56, "elbow": 0.90}  # share of the upper arm that the sleeve covers


def upper_arm(
    shoulder: Array, elbow: Array, palm: float, unit: float, look: Look, frame_size: tuple[int, int]
) -> list[Layer]:
    """From shoulder to elbow, (2,) each; palm and unit (shoulder width) in px."""
    thick, thin = SHOULDER_RADIUS / 1.1 * unit * look.build, max(0.40 * palm * look.build, 0.095 * unit)
    radii = (thick, thick * 0.98, (thick + thin) / 2, thin)
    if look.sleeve == "long":
        return _kept(limb(shoulder, elbow, _wider(radii, 1.10), look.shirt, frame_size, cloth=True, fade=-0.75))
    hem = _HEMS[look.sleeve]
    end = shoulder + (elbow - shoulder) * hem
    middle = (shoulder + elbow) / 2
    bare = limb(middle, elbow, radii[1:], look.skin, frame_size, cloth=False)
    loose = (thick * 1.10, thick * 1.12, thick * 1.06 * (1 - hem) + thin * 1.22 * hem)
    return _kept(bare, *_sleeve(shoulder, end, loose, look, frame_size, fade=-0.75))


def forearm(elbow: Array, wrist: Array, palm: float, look: Look, frame_size: tuple[int, int]) -> list[Layer]:
    """From elbow to wrist, (2,) each; palm in px."""
    thick = 0.40 * palm * look.build
    radii = (thick, thick * 1.04, thick * 0.90, 0.305 * palm, 0.225 * palm)
    if look.sleeve != "long":
        return _kept(limb(elbow, wrist, radii, look.skin, frame_size, cloth=False))
    bare = limb((elbow + 3 * wrist) / 4, wrist, radii[-2:], look.skin, frame_size, cloth=False)
    length = float(np.linalg.norm(wrist - elbow)) + 1e-6
    end = elbow + (wrist - elbow) * max(0.25, 1 - _CUFF * palm / length)
    loose = (max(thick * 1.12, 0.105 * palm / 0.29), thick * 1.14, thick * 1.02, 0.40 * palm, 0.33 * palm)
    return _kept(bare, *_sleeve(elbow, end, loose, look, frame_size, fade=None))


def _sleeve(
    start: Array, end: Array, radii: tuple[float, ...], look: Look, size: tuple[int, int], *, fade: float | None
) -> list[Layer | None]:
    """Cloth with a darker hem that ends flat, not round."""
    length = float(np.linalg.norm(end - start)) + 1e-6
    direction = (end - start) / length
    hem = min(0.16 * radii[-1] + 1.0, 0.5 * length)
    inner = end - direction * hem
    dark = mixed(look.shirt, (0, 0, 0), 0.30)
    return [
        limb(inner, end, (radii[-1], radii[-1]), dark, size, cloth=False, rounded=(False, False)),
        limb(start, end - direction * hem * 0.8, radii, look.shirt, size, cloth=True, rounded=(True, False), fade=fade),
    ]


def _wider(radii: tuple[float, ...], factor: float) -> tuple[float, ...]:
    return tuple(radius * factor for radius in radii)


def _kept(*layers: Layer | None) -> list[Layer]:
    return [layer for layer in layers if layer is not None]
