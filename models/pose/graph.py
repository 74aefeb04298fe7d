"""The MediaPipe graph that `models.pose.holistic` runs: Holistic's own, less what no wanted landmark depends on.

Source: mediapipe 0.10.21, modules/holistic_landmark/holistic_landmark_cpu.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.pose.pruned import without_segmentation

_GRAPH = "mediapipe/modules/holistic_landmark/holistic_landmark_cpu.binarypb"
_BODY_MODELS = {0: "lite", 1: "full", 2: "heavy"}
_PRUNED_MODEL = "pruned_pose_landmark_model"


def package_root() -> Path:
    """The folder that mediapipe's resource names are relative to."""
    package = find_spec("mediapipe")  # without importing it, which takes a second
    assert package is not None and package.origin is not None
    return Path(package.origin).parent.parent


def body_model(complexity: int) -> Path:
    """Where the body landmark model of one complexity (0, 1, 2) is, if it is there."""
    return package_root() / f"mediapipe/modules/pose_landmark/pose_landmark_{_BODY_MODELS[complexity]}.tflite"


def available_complexities() -> tuple[int, ...]:
    """Which values of model_complexity have their model on this machine; mediapipe's package brings only 1."""
    return tuple(level for level in _BODY_MODELS if body_model(level).is_file())


def holistic_graph(
    outputs: Sequence[str],
    *,
    complexity: int,
    refine_face: bool,
    min_detection_confidence: float,
    min_tracking_confidence: float,
    threads: int | None = None,
    prune: bool = True,
) -> tuple[Any, dict[str, Any]]:
    """The CalculatorGraphConfig for these output streams, and the side packets to start its graph with.

    threads: how many the graph works with; None: one per core. prune=False runs the body model as it is in the package.
    """
    from mediapipe.python import packet_creator
    from mediapipe.python._framework_bindings import resource_util

    resource_util.set_resource_dir(str(package_root()))
    config = _whole_graph()
    _set_thresholds(config, min_detection_confidence, min_tracking_confidence)
    packets = {
        "model_complexity": packet_creator.create_int(complexity),
        "smooth_landmarks": packet_creator.create_bool(True),
        "enable_segmentation": packet_creator.create_bool(False),
        "refine_face_landmarks": packet_creator.create_bool(refine_face),
        "use_prev_landmarks": packet_creator.create_bool(True),
    }
    pruned = without_segmentation(body_model(complexity).read_bytes()) if prune else None
    if pruned is not None:
        _read_body_model_from(config, _PRUNED_MODEL)
        packets[_PRUNED_MODEL] = packet_creator.create_string(pruned)
    _keep_only(config, outputs)
    if threads is not None:
        del config.executor[:]
        config.num_threads = threads
    wanted = set(_names(config.input_side_packet))
    return config, {name: packet for name, packet in packets.items() if name in wanted}


def _whole_graph() -> Any:
    """Holistic's CalculatorGraphConfig with all its subgraphs written out as nodes."""
    # For its side effect: it registers the message types of the calculators' options.
    import mediapipe.python.solutions.holistic  # noqa: F401
    from mediapipe.framework import calculator_pb2
    from mediapipe.python._framework_bindings import validated_graph_config

    validated = validated_graph_config.ValidatedGraphConfig()
    validated.initialize(binary_graph_path=str(package_root() / _GRAPH))
    config = calculator_pb2.CalculatorGraphConfig()
    config.ParseFromString(validated.binary_config)
    return config


def _set_thresholds(config: Any, detection: float, tracking: float) -> None:
    """The two confidences of `mp.solutions.holistic.Holistic`, set in the same two nodes."""
    from mediapipe.calculators.tensor import tensors_to_detections_calculator_pb2 as detections
    from mediapipe.calculators.util import thresholding_calculator_pb2 as thresholding

    detector = _node(config, "poselandmarkcpu__posedetectioncpu__TensorsToDetectionsCalculator")
    detector.options.Extensions[detections.TensorsToDetectionsCalculatorOptions.ext].min_score_thresh = detection
    tracker = _node(
        config, "poselandmarkcpu__poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__ThresholdingCalculator"
    )
    tracker.options.Extensions[thresholding.ThresholdingCalculatorOptions.ext].threshold = tracking


def _read_body_model_from(config: Any, side_packet: str) -> None:
    """Let the body model come as bytes in a side packet instead of from a file."""
    loader = _node(config, "poselandmarkcpu__poselandmarkbyroicpu__poselandmarkmodelloader__TfLiteModelCalculator")
    del loader.input_side_packet[:]
    loader.input_side_packet.append(f"MODEL_BLOB:{side_packet}")
    config.input_side_packet.append(side_packet)


def _keep_only(config: Any, outputs: Sequence[str]) -> None:
    """Take out every node, and every output and side packet of the graph, that these outputs do not depend on."""
    makers = {
        name: number
        for number, node in enumerate(config.node)
        for name in _names([*node.output_stream, *node.output_side_packet])
    }
    waiting, needed, kept = list(outputs), set(outputs), set()
    while waiting:
        number = makers.get(waiting.pop())
        if number is None or number in kept:
            continue
        kept.add(number)
        inputs = _names([*config.node[number].input_stream, *config.node[number].input_side_packet])
        needed.update(inputs)
        waiting += inputs
    for number in reversed(range(len(config.node))):
        if number not in kept:
            del config.node[number]
    for field in (config.output_stream, config.input_side_packet):
        field[:] = [entry for entry, name in zip(list(field), _names(field), strict=True) if name in needed]


def _node(config: Any, name: str) -> Any:
    return next(node for node in config.node if node.name == name)


def _names(entries: Iterable[str]) -> list[str]:
    """The names of streams or side packets, which are written "name", "TAG:name" or "TAG:0:name"."""
    return [entry.rpartition(":")[2] for entry in entries]
