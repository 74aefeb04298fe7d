"""The multi-stream model: its size, what its masks hide, and what its hands are independent of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from multistream_toy import MODEL, batch
from transformers import MobileNetV2Config, MobileNetV2Model, ResNetConfig, ResNetModel

from models.errors import SignError, WeightsError
from models.recognition.multistream.clips import Batch, without
from models.recognition.multistream.config import STREAMS, MultiStreamConfig
from models.recognition.multistream.hand_graph import BONES, HandGraph, neighbours, shapes
from models.recognition.multistream.network import MultiStream, heard_by

LABELS = ("Closing something", "Opening something", "Pointing at something")


@pytest.fixture(scope="module")
def model() -> MultiStream:
    torch.manual_seed(0)
    return MultiStream(MODEL, LABELS).eval()


def logits(model: MultiStream, given: Batch) -> torch.Tensor:
    with torch.inference_mode():
        return model(given).logits


def test_with_174_labels_it_has_29_904_750_parameters() -> None:
    with torch.device("meta"):
        whole = MultiStream(MultiStreamConfig(start="scratch"), [str(number) for number in range(174)])

    def count(*names: str) -> int:
        found = (one.numel() for name, one in whole.named_parameters() if name.startswith(names))
        return sum(found)

    assert count("") == 29_904_750
    assert count("context_trunk.") == 21_284_672
    assert count("object_trunk.") == 2_223_872
    assert count("object_features.") == 1280 * 256 + 256
    assert count("hand_graph.") == 133_248
    assert count("hand_width.", "object_width.", "context_width.") == (128 + 256 + 512) * 256 + 3 * 256
    assert count("attentions.", "norms.") == 3 * (4 * (256 * 256 + 256) + 512)
    assert count("lstm.") == 2 * 4 * 448 * (768 + 448 + 2)
    assert count("hidden.", "classify.") == 896 * 512 + 512 + 512 * 174 + 174


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_masked_is_never_seen(model: MultiStream, name: str) -> None:
    given = without(batch(), name)
    noise = batch(seed=1)
    fields = {"hands": ("hands",), "objects": ("boxes", "crops"), "context": ("context",)}[name]
    other = replace(given, **{field: getattr(noise, field) for field in fields})
    assert torch.equal(logits(model, given), logits(model, other))
    assert not torch.allclose(logits(model, given), logits(model, batch()), atol=1e-5)


def test_one_missing_hand_does_not_count_as_a_hand_of_zeros(model: MultiStream) -> None:
    given = batch()
    mask = given.hands_mask.clone()
    mask[:, :, 0] = False
    zeros = given.hands.clone()
    zeros[:, :, 0] = 0
    assert not torch.allclose(
        logits(model, replace(given, hands_mask=mask)), logits(model, replace(given, hands=zeros))
    )


def test_a_clip_of_which_nothing_is_there_has_an_answer_and_a_gradient(model: MultiStream) -> None:
    given = batch()
    for name in STREAMS:
        given = without(given, name)
    found = model(given).logits
    assert torch.isfinite(found).all()
    assert torch.allclose(found[0], found[1])
    found.sum().backward()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters() if one.grad is not None)
    model.zero_grad()


def test_clips_of_a_batch_do_not_change_each_other(model: MultiStream) -> None:
    given = batch(3)
    alone = Batch(**{name: value[1:2] for name, value in vars(given).items()})
    assert torch.allclose(logits(model, given)[1:2], logits(model, alone), atol=1e-5)


def test_the_order_of_objects_does_not_matter(model: MultiStream) -> None:
    given = batch()
    turned = replace(given, **{name: getattr(given, name).flip(2) for name in ("crops", "boxes", "boxes_mask")})
    assert torch.allclose(logits(model, given), logits(model, turned), atol=1e-5)


def test_the_order_of_frames_matters(model: MultiStream) -> None:
    given = batch()
    turned = replace(
        given, **{name: value.flip(1) for name, value in vars(given).items() if name not in ("aspect", "labels")}
    )
    assert not torch.allclose(logits(model, given), logits(model, turned), atol=1e-5)


def test_where_it_looks_adds_up_to_one_and_is_elsewhere(model: MultiStream) -> None:
    given = batch()
    mask = given.hands_mask.clone()
    mask[:, 1] = False
    with torch.inference_mode():
        looked = model(replace(given, hands_mask=mask), look=True).looked
    assert looked is not None
    assert looked.over_streams.shape == (2, 3, 4, 3) and looked.over_time.shape == (2, 3, 4, 4)
    assert torch.allclose(looked.over_streams.sum(-1), torch.ones(2, 3, 4), atol=1e-5)
    assert torch.allclose(looked.over_time.sum(-1), torch.ones(2, 3, 4), atol=1e-5)
    for place in range(3):
        assert not looked.over_streams[:, place, :, place].any()
    assert looked.present[:, 0].tolist() == [[True, False, True, True]] * 2
    assert looked.present[:, 1:].all()


def test_a_model_of_one_stream_looks_at_itself() -> None:
    assert heard_by("hands", ("hands",)) == ("hands",)
    assert heard_by("hands", STREAMS) == ("objects", "context")
    only = MultiStream(replace(MODEL, objects=False, context=False), LABELS).eval()
    assert not any(name.startswith(("object_", "context_")) for name, _ in only.named_parameters())
    with torch.inference_mode():
        looked = only(batch(), look=True).looked
    assert torch.allclose(looked.over_streams[:, 0, :, 0], torch.ones(2, 4), atol=1e-5)
    assert not looked.over_streams[:, 1:].any()


def test_a_hand_is_the_same_wherever_it_is_however_large_and_on_either_side() -> None:
    hand = torch.rand(1, 2, 21, 3) * 0.2
    hand[:, 1] = hand[:, 0]
    hand[:, 0, :, 0] *= -1  # the left hand is the right one in a mirror
    made = shapes(hand, torch.tensor([0.75]))
    assert torch.allclose(made[:, 0], made[:, 1], atol=1e-6)
    moved = shapes(hand * 1.7 + torch.tensor([0.3, 0.2, 0.0]), torch.tensor([0.75]))
    assert torch.allclose(made, moved, atol=1e-4)
    assert torch.allclose(made[..., 9, :].norm(dim=-1), torch.ones(1, 2), atol=1e-5)


def test_a_picture_of_another_shape_gives_the_same_hand() -> None:
    hand = torch.rand(1, 2, 21, 3)
    flat = hand * torch.tensor([1, 2.0, 1])  # as shares of a picture half as high
    assert torch.allclose(shapes(hand, torch.tensor([1.0])), shapes(flat, torch.tensor([0.5])), atol=1e-5)


def test_joints_hear_from_the_joints_that_bones_join_to_them() -> None:
    joined = neighbours()
    assert torch.allclose(joined.sum(dim=1), torch.ones(21))
    assert {one for one in range(21) if joined[0, one] > 0} == {1, 5, 9, 13, 17}
    assert {one for one in range(21) if joined[8, one] > 0} == {7}
    assert len(BONES) == len(set(BONES)) == 23
    graph, hands = HandGraph(8, 1).eval(), torch.rand(1, 21, 3)
    other = hands.clone()
    other[:, 8] += 1
    with torch.no_grad():
        assert not torch.allclose(graph(hands), graph(other))


@pytest.mark.parametrize("gone", [None, *STREAMS])
def test_half_precision_and_trunks_computed_twice_give_a_gradient(gone: str | None) -> None:
    torch.manual_seed(0)
    model = MultiStream(replace(MODEL, checkpointing=True, chunk=3), LABELS).train()
    given = batch() if gone is None else without(batch(), gone)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = torch.nn.functional.cross_entropy(model(given).logits.float(), given.labels)
    loss.backward()
    found = {name for name, one in model.named_parameters() if one.grad is not None and one.grad.abs().sum() > 0}
    assert any(name.startswith("lstm.") for name in found)
    assert any(name.startswith("object_trunk.") for name in found) == (gone != "objects")
    assert any(name.startswith("hand_graph.") for name in found) == (gone != "hands")


def test_trunks_computed_twice_give_the_same_gradient() -> None:
    grads = []
    for twice in (False, True):
        torch.manual_seed(0)
        model = MultiStream(replace(MODEL, checkpointing=twice), LABELS).train()
        torch.nn.functional.cross_entropy(model(batch()).logits, batch().labels).backward()
        grads.append({name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None})
        norms = {name: one.clone() for name, one in model.named_buffers() if name.endswith("running_mean")}
        grads[-1] |= norms
    assert grads[0].keys() == grads[1].keys()
    assert all(torch.allclose(value, grads[1][name], atol=1e-5) for name, value in grads[0].items())


def test_published_weights_are_taken_from_a_folder(tmp_path) -> None:
    config = replace(MODEL, start="published", multiplier=0.35)
    torch.manual_seed(0)
    resnet = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic"))
    resnet.save_pretrained(tmp_path / "resnet-34")
    MobileNetV2Model(MobileNetV2Config(depth_multiplier=0.35), add_pooling_layer=False).save_pretrained(
        tmp_path / "mobilenet-v2"
    )
    made = MultiStream(config, LABELS, tmp_path)
    for name, value in resnet.state_dict().items():
        assert torch.equal(made.context_trunk.network.state_dict()[name], value)
    with pytest.raises(WeightsError, match=r"another shape: model\.widths"):
        MultiStream(replace(config, widths=(8, 16)), LABELS, tmp_path)
    with pytest.raises(WeightsError, match="multiplier"):
        MultiStream(replace(config, multiplier=1.0), LABELS, tmp_path)


def test_without_published_weights_it_says_what_to_do(tmp_path) -> None:
    with pytest.raises(WeightsError, match="weights pull"):
        MultiStream(replace(MODEL, start="published"), LABELS, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
def test_what_only_one_stream_shows_is_learned_from_it(name: str) -> None:
    torch.manual_seed(0)
    model, one = MultiStream(MODEL, LABELS[:2]), batch(1)
    given = Batch(**{field: value.repeat(8, *[1] * (value.dim() - 1)) for field, value in vars(one).items()})
    labels = torch.arange(8) % 2
    odd = labels.bool()
    hands, boxes, context = given.hands.clone(), given.boxes.clone(), given.context.clone()
    if name == "hands":
        hands[odd, ..., 5:9, 1] += 0.5
    elif name == "objects":
        boxes[odd] = boxes[odd] * 0.3
    else:
        context[odd] //= 3
    given = replace(given, hands=hands, boxes=boxes, context=context, labels=labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(model(given).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    with torch.inference_mode():
        masked = model(without(given, name)).logits
    assert torch.nn.functional.cross_entropy(masked, labels).item() > 0.6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hands": False, "objects": False, "context": False}, "all off"),
        ({"width": 40, "heads": 8}, "divisible"),
        ({"crop": 32}, "48 to 1024"),
        ({"widths": (8,)}, "stages"),
        ({"dropout": 1.0}, "share"),
        ({"max_objects": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SignError, match=words):
        replace(MODEL, **changes)
