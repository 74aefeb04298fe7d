"""MediaPipe's body model without the segmentation head that nobody reads.

The bundled `pose_landmark_full.tflite` computes five outputs: landmarks, a person score, a 256 x 256 segmentation
mask, heat maps and world landmarks. Holistic throws the mask away unless it is asked for, but the model computes it
all the same, in 46 of its 332 operators. Cutting them changes no other number, because no other output depends on
them: tests compare the outputs bit by bit.

The edit happens in memory on a copy of the flatbuffer: the list of operators is shortened and the mask's place in
the list of outputs is given to a tensor that exists anyway. It is only done to the one file it was tried on.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from flatbuffers.table import Table

POSE_MODEL_SHA256 = "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
"""The file in mediapipe 0.10.21; any other file is left as it is."""

SEGMENTATION_OUTPUT = 2
SCORE_OUTPUT = 1

# Places in the vtables of the TFLite schema (tensorflow/lite/schema/schema.fbs): 4 + 2 x the field's number.
_MODEL_SUBGRAPHS = 8
_SUBGRAPH_OUTPUTS, _SUBGRAPH_OPERATORS = 8, 10
_OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 6, 8


def without_segmentation(model: bytes) -> bytes | None:
    """The body model without its segmentation head, or None when these are not the bytes of the known model."""
    if hashlib.sha256(model).hexdigest() != POSE_MODEL_SHA256:
        return None
    return without_output(model, SEGMENTATION_OUTPUT, stand_in=SCORE_OUTPUT)


def without_output(model: bytes, output: int, *, stand_in: int) -> bytes:
    """A TFLite model that no longer computes one of its outputs; another output's tensor takes its place.

    Operators that only that output needs are taken out. Source: the flatbuffer layout of TFLite's schema.fbs.
    """
    edited = bytearray(model)
    root = Table(edited, struct.unpack_from("<I", edited)[0])
    graph = _tables(root, _MODEL_SUBGRAPHS)[0]
    outputs = _integers(graph, _SUBGRAPH_OUTPUTS)
    outputs[output] = outputs[stand_in]
    struct.pack_into(f"<{len(outputs)}i", edited, graph.Vector(graph.Offset(_SUBGRAPH_OUTPUTS)), *outputs)

    kept = _needed(_tables(graph, _SUBGRAPH_OPERATORS), outputs)
    first = graph.Vector(graph.Offset(_SUBGRAPH_OPERATORS))
    struct.pack_into("<I", edited, first - 4, len(kept))
    for number, operator in enumerate(kept):
        place = first + 4 * number
        struct.pack_into("<I", edited, place, operator.Pos - place)  # flatbuffer references are relative
    return bytes(edited)


def _needed(operators: Sequence[Table], outputs: Sequence[int]) -> list[Table]:
    """The operators that the outputs depend on, in their order (a model lists them in the order of running)."""
    wanted, kept = set(outputs), []
    for operator in reversed(operators):
        if wanted.intersection(_integers(operator, _OPERATOR_OUTPUTS)):
            wanted.update(_integers(operator, _OPERATOR_INPUTS))
            kept.append(operator)
    return kept[::-1]


def _tables(table: Table, field: int) -> list[Table]:
    place = table.Offset(field)
    first = table.Vector(place)
    return [Table(table.Bytes, table.Indirect(first + 4 * number)) for number in range(table.VectorLen(place))]


def _integers(table: Table, field: int) -> list[int]:
    place = table.Offset(field)
    if not place:
        return []
    return list(struct.unpack_from(f"<{table.VectorLen(place)}i", table.Bytes, table.Vector(place)))
