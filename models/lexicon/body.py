"""The signer: a body in metres, a way of signing, and the camera that looks at them.

Body axes: x to the signer's left, y up, z forward to the camera; origin mid-hip. The reference body is a seated
or standing adult of about 1.70 m (segment lengths after Drillis and Contini, as tabulated by D. Winter,
"Biomechanics and Motor Control of Human Movement", 2009, table 4.1). Hands are modelled on the right; see `hand`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PIVOT = np.array([0.0, 0.4, 0.0])  # the framing turns the signer about the middle of the chest


@dataclass(frozen=True, kw_only=True)
class Body:
    """Lengths and positions in metres."""

    shoulder_half_width_m: float = 0.158
    shoulder_height_m: float = 0.45
    hip_half_width_m: float = 0.098
    upper_arm_m: float = 0.27
    forearm_m: float = 0.245
    chest_depth_m: float = 0.115  # from the shoulders' plane to the breastbone's skin
    head_height_m: float = 0.64  # of the middle of the face, just above the nose
    head_depth_m: float = 0.085  # of the middle of the face
    thigh_m: float = 0.42
    shin_m: float = 0.42
    head_scale: float = 1.0
    hand_scale: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < 2:
                raise ValueError(f"Body.{name} is {value}; expected metres (or a scale) between 0 and 2")

    @property
    def arm_length_m(self) -> float:
        """Shoulder to wrist with a straight elbow."""
        return self.upper_arm_m + self.forearm_m

    @property
    def face_centre(self) -> Array:
        """(3,) the origin of the face model in body axes."""
        return np.array([0.0, self.head_height_m, self.head_depth_m])

    @property
    def neck(self) -> Array:
        """(3,) the point that the head turns about."""
        return np.array([0.0, self.head_height_m - 0.09 * self.head_scale, 0.01])

    @property
    def shoulder(self) -> Array:
        """(3,) the right shoulder at rest."""
        return np.array([-self.shoulder_half_width_m, self.shoulder_height_m, 0.0])

    @property
    def skull(self) -> tuple[Array, Array]:
        """Centre and radii, each (3,), of the ellipsoid that a hand cannot enter."""
        centre = self.face_centre + self.head_scale * np.array([0.0, 0.012, -0.076])
        return centre, self.head_scale * np.array([0.074, 0.110, 0.100])


@dataclass(frozen=True, kw_only=True)
class Framing:
    """A pinhole camera in front of the signer, aimed level at the upper body."""

    distance_m: float = 1.9
    shoulder_fraction: float = 0.325  # shoulder width over frame width
    headroom_m: float = 0.15  # between the top of the head and the frame's upper edge
    shift_fraction: float = 0.0  # of the signer to the right, over the frame width
    yaw_rad: float = 0.0  # of the signer against the camera
    pitch_rad: float = 0.0  # of the camera: positive looks down on the signer
    roll_rad: float = 0.0

    def __post_init__(self) -> None:
        if not 0.8 <= self.distance_m <= 20:
            raise ValueError(f"Framing.distance_m is {self.distance_m}; expected 0.8 to 20 m")
        if not 0.1 <= self.shoulder_fraction <= 0.5:
            raise ValueError(f"Framing.shoulder_fraction is {self.shoulder_fraction}; expected 0.1 to 0.5")


@dataclass(frozen=True, kw_only=True)
class SignerStyle:
    """Who signs and how: one lexicon entry and many styles give many plausible performances."""

    body: Body = field(default_factory=Body)
    framing: Framing = field(default_factory=Framing)
    tempo: float = 1.0  # 2 signs twice as fast
    amplitude: float = 1.0  # of movements; 1 is as written
    left_handed: bool = False
    sloppiness: float = 0.15  # 0 signs exactly as written, 1 is careless
    expression: float = 1.0  # of brows, mouth and head
    hands_rest: str = "lap"  # or "sides", "waist"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.3 <= self.tempo <= 3:
            raise ValueError(f"SignerStyle.tempo is {self.tempo}; expected 0.3 to 3")
        if not 0.3 <= self.amplitude <= 1.5:
            raise ValueError(f"SignerStyle.amplitude is {self.amplitude}; expected 0.3 to 1.5")
        if not 0 <= self.sloppiness <= 1:
            raise ValueError(f"SignerStyle.sloppiness is {self.sloppiness}; expected 0 to 1")
        if self.hands_rest not in ("lap", "sides", "waist"):
            raise ValueError(f"SignerStyle.hands_rest is {self.hands_rest!r}; expected lap, sides or waist")

    @classmethod
    def random(cls, seed: int) -> SignerStyle:
        """A signer drawn from plausible proportions, habits and cameras; the same seed gives the same signer."""
        rng = np.random.default_rng(seed)
        size, arms = rng.normal(1, 0.025), rng.normal(1, 0.03)
        base = Body()
        body = Body(
            shoulder_half_width_m=base.shoulder_half_width_m * size * rng.normal(1, 0.04),
            shoulder_height_m=base.shoulder_height_m * size,
            upper_arm_m=base.upper_arm_m * size * arms,
            forearm_m=base.forearm_m * size * arms,
            chest_depth_m=base.chest_depth_m * rng.uniform(0.92, 1.1),
            head_height_m=base.head_height_m * size + rng.normal(0, 0.006),
            head_scale=float(np.clip(rng.normal(1, 0.03), 0.92, 1.08)),
            hand_scale=float(np.clip(rng.normal(1, 0.05) * size, 0.88, 1.14)),
        )
        framing = Framing(
            distance_m=rng.uniform(1.4, 2.8),
            shoulder_fraction=rng.uniform(0.30, 0.35),
            headroom_m=rng.uniform(0.12, 0.17),
            shift_fraction=rng.normal(0, 0.012),
            yaw_rad=rng.normal(0, np.radians(4)),
            pitch_rad=rng.normal(np.radians(3), np.radians(3)),
            roll_rad=rng.normal(0, np.radians(0.8)),
        )
        return cls(
            body=body,
            framing=framing,
            tempo=float(np.clip(rng.lognormal(0, 0.15), 0.7, 1.5)),
            amplitude=float(np.clip(rng.normal(1, 0.12), 0.7, 1.3)),
            left_handed=bool(rng.random() < 0.1),
            sloppiness=float(rng.uniform(0.05, 0.5)),
            expression=float(rng.uniform(0.6, 1.2)),
            hands_rest=str(rng.choice(["lap", "sides", "waist"], p=[0.5, 0.35, 0.15])),
            seed=seed,
        )


def project(points: Array, style: SignerStyle, *, width: int, height: int) -> Array:
    """Body points (..., 3) in metres to image points (..., 3): x, y in px, z in frame widths (smaller is nearer).

    z is 0 in the plane through the hips that faces the camera, as MediaPipe has it for the body.
    """
    framing, body = style.framing, style.body
    turned = view(points, framing)
    size = min(width, height)
    px_per_m = framing.shoulder_fraction * size / (2 * body.shoulder_half_width_m)
    top_m = body.head_height_m + 0.13 * body.head_scale + framing.headroom_m
    middle_m = top_m - size / px_per_m / 2
    nearer = framing.distance_m / np.maximum(framing.distance_m - turned[..., 2], 0.2)
    x = width * (0.5 + framing.shift_fraction) + px_per_m * nearer * turned[..., 0]
    y = height / 2 - px_per_m * nearer * (turned[..., 1] - middle_m)
    return np.stack([x, y, -turned[..., 2] * px_per_m / width], axis=-1)


def view(points: Array, framing: Framing) -> Array:
    """Body points (..., 3) as the camera sees the signer: turned by the framing's angles about the chest, in metres."""
    cos, sin = np.cos(framing.yaw_rad), np.sin(framing.yaw_rad)
    yaw = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    cos, sin = np.cos(framing.roll_rad), np.sin(framing.roll_rad)
    roll = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    cos, sin = np.cos(framing.pitch_rad), np.sin(framing.pitch_rad)
    pitch = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return (points - PIVOT) @ (roll @ pitch @ yaw).T + PIVOT
