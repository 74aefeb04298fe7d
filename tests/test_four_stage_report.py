"""The figures and the page of an evaluation: they show what was measured, to everybody, and ask for nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from four_stage_tiny import GLOSSES, TINY, TRAINING, draw_clips, moving, tiny_model, trained_run
from playwright.sync_api import Browser
from torch import Tensor, nn

from models.figures import INK, LINES, PAPER, wants_log
from models.recognition.four_stage import architecture, figures, gradcam
from models.recognition.four_stage.clips import Clip
from models.recognition.four_stage.evaluate import evaluate
from models.recognition.four_stage.gradcam import Seen, grad_cam, overlay, seen
from models.recognition.four_stage.page import page
from models.recognition.four_stage.pictures import examples
from models.recognition.four_stage.stage_metrics import judge, judged
from models.recognition.four_stage.task import heard
from models.training import Run


def video(*glosses: str, seed: int = 0) -> Tensor:
    return torch.from_numpy(moving(glosses or ("DOWN", "STAY"), seed, side=32)).permute(0, 3, 1, 2)


def one_judged(*, align: bool = True, select: bool = True):  # type: ignore[no-untyped-def]
    model, clip = tiny_model(align=align, select=select), video()
    length = torch.tensor([len(clip)])
    with torch.inference_mode():
        (found,) = heard(model, model(clip[None], length), length)
    about = Clip(path=Path("clips/a$b.mp4"), glosses=("DOWN", "STAY"), signer="anna", split="test")
    energy = np.linspace(0, 1, len(clip), dtype=np.float32)
    return model, clip, judged(about, found, (1, 3), energy, np.arange(len(clip)) / 12.5)


# --- Grad-CAM


def test_heat_is_what_is_worked_out_by_hand() -> None:
    maps = torch.zeros(1, 2, 2, 2, requires_grad=True)
    with torch.no_grad():
        maps[0, 0] = torch.tensor([[3.0, 0], [0, 1]])
        maps[0, 1] = torch.tensor([[0.0, 2], [0, 4]])
    score = 8 * maps[0, 0, 0, 0] - 4 * maps[0, 1].mean()
    # Means of the gradient: 8 / 4 = 2 for channel 0, -4 / 4 = -1 for channel 1.
    assert torch.equal(grad_cam(maps, score)[0], torch.tensor([[6.0, 0], [0, 0]]))  # 2 x 1 - 4 and -2 are below 0


class Bright(nn.Module):
    """In place of the ResNet: how bright each quarter of each side is, in one channel."""

    def forward(self, frames: Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=nn.functional.adaptive_avg_pool2d(frames[:, :1], 4).relu())


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (3, 1), (2, 2)])
@pytest.mark.parametrize("chunk", [3, 64])
def test_the_map_lights_up_where_the_answer_comes_from(row: int, column: int, chunk: int) -> None:
    model = tiny_model(select=False, align=False)
    model.backbone.resnet = Bright()  # type: ignore[assignment]
    model.backbone.reduce = nn.Conv2d(1, TINY.features, 1)
    model.backbone.chunk = chunk
    clip = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
    clip[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
    with torch.no_grad():
        model.classify.bias.copy_(torch.tensor([3.0, 0, 0]))  # so that it says DOWN
        model.blank.bias.fill_(0.0)
    (found,) = seen(model, clip)
    if not found.heat.any():  # the brightness spoke against it
        with torch.no_grad():
            model.classify.weight.neg_()
            model.blank.weight.neg_()
        (found,) = seen(model, clip)
    assert found.gloss == "DOWN"
    assert np.unravel_index(found.heat.argmax(), (4, 4)) == (row, column)
    assert found.heat.max() == pytest.approx(1)
    assert (found.heat > 0).sum() == 1


@pytest.mark.parametrize("chunk", [5, 64])
def test_heat_is_the_gradient_of_the_whole_model(chunk: int) -> None:
    model = tiny_model()
    model.backbone.chunk = chunk
    with torch.no_grad():
        model.blank.bias[0] = -1.0
    clip = video()
    found = seen(model, clip)
    assert found
    with torch.no_grad():
        raw = model.backbone.resnet((clip - model.backbone.mean) / model.backbone.std).last_hidden_state
    raw.requires_grad_()
    grids = model.backbone.reduce(nn.functional.adaptive_avg_pool2d(raw, 4))
    outputs = model.after(grids[None], torch.tensor([len(clip)]))
    logits = outputs.ctc_logits[0]
    for one in found:
        row = outputs.keyframes[0].tolist().index(one.frame)
        label = GLOSSES.index(one.gloss) + 1
        assert logits[row].softmax(-1)[label].item() == pytest.approx(one.probability, abs=1e-5)
        wanted = grad_cam(raw, logits[row, label])[one.frame]
        np.testing.assert_allclose(one.heat, (wanted / wanted.max().clamp(min=1e-12)).numpy(), atol=1e-4)


def test_looking_leaves_the_model_as_it_was() -> None:
    model = tiny_model().train()
    model.backbone.resnet.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen(model, video())
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(one.requires_grad for one in model.backbone.resnet.parameters())
    assert model.classify.weight.requires_grad and model.classify.weight.grad is None
    assert not model.backbone.resnet._forward_hooks


def test_heat_lies_over_a_grey_frame() -> None:
    frame = np.full((32, 32, 3), (200, 20, 20), np.uint8)
    heat = np.zeros((4, 4), np.float32)
    assert len(np.unique(overlay(frame, heat).reshape(-1, 3), axis=0)) == 1
    heat[0, 0] = 1
    made = overlay(frame, heat).astype(int)
    assert made[2, 2].sum() > made[30, 30].sum() + 100  # it also grows lighter


# --- The model's diagram


@pytest.mark.parametrize("changes", [{}, {"align": False}, {"select": False}, {"chunk": 5}])
def test_the_diagram_has_the_shapes_and_all_parameters_of_the_built_model(changes: dict[str, object]) -> None:
    model, clip = tiny_model(**changes), video()
    found = {one.name: one for one in architecture.layers(model, clip)}
    assert sum(one.parameters for one in found.values()) == sum(one.numel() for one in model.parameters())
    assert found["backbone.resnet"].shape == (12, 16, 4, 4)
    assert found["frame"].shape == (1, 12, 16)
    kept = 9 if model.config.select else 12
    assert (found["lstm"].shape, found["classify"].shape) == ((1, kept, 16), (1, kept, 3))
    assert found["blank"].shape == (1, kept, 4)
    assert ("selector.gru" in found, "align" in found) == (model.config.select, model.config.align)
    drawn = figures.model_diagram(model, clip)
    assert "9 × 4" in drawn.alt or not model.config.select
    assert not any(module._forward_hooks for module in model.modules())


# --- Figures


def is_svg(data: bytes) -> bool:
    return ElementTree.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("align", [True, False])
def test_attention_tells_when_each_gloss_is_signed(align: bool) -> None:
    model, _, one = one_judged(align=align)
    drawn = figures.attention(one, model.glosses, "attention-1")
    assert is_svg(drawn.data)
    assert drawn.alt.startswith("DOWN STAY: DOWN from ")
    assert ("Likeness" in drawn.caption or "Above" in drawn.caption) == align
    assert figures.attention(one, model.glosses, "attention-1").data == drawn.data
    short = figures.attention(replace(one, path=None), model.glosses, "attention-1")
    assert "too few" in short.alt


def test_keyframes_say_what_is_dropped() -> None:
    _, clip, one = one_judged()
    drawn = figures.keyframes(one, clip.permute(0, 2, 3, 1).numpy(), "keyframes-1")
    assert is_svg(drawn.data)
    assert drawn.alt.startswith("9 of 12 frames are kept. Dropped: ")
    every = replace(one, heard=replace(one.heard, keyframes=np.arange(12)))
    assert figures.keyframes(every, clip.permute(0, 2, 3, 1).numpy(), "k").alt.endswith("None is dropped.")


def test_losses_are_drawn_with_gaps_and_on_an_axis_that_fits() -> None:
    lines = [
        {"kind": "train", "step": step, "losses": {"ctc": value, "reg": 0.5}, "weights": {"ctc": 1.0, "reg": 0.1},
         "gradient_norms": {"all": value}}
        for step, value in ((1, 30.0), (2, None), (3, 0.3))
    ]  # fmt: skip
    lines.append({"kind": "validation", "step": 3, "metrics": {"wer": 0.25}})
    drawn = figures.losses(lines)
    assert drawn is not None and is_svg(drawn.data)
    assert drawn.alt == "ctc from 30 to 0.3; reg from 0.5 to 0.5; WER from 0.25 to 0.25."
    norms = figures.gradient_norms(lines)
    assert norms is not None and norms.alt == "all from 30 to 0.3."
    assert figures.losses([]) is figures.gradient_norms([]) is None
    assert wants_log(np.array([30, 0.3]))
    assert not wants_log(np.array([30, 3.0]))
    assert not wants_log(np.array([30, 0.0]))  # which has no logarithm


def test_confusions_count_what_is_left_out_and_put_in() -> None:
    counts = [
        {"reference": "A", "hypothesis": "A", "count": 5},
        {"reference": "A", "hypothesis": "B", "count": 2},
        {"reference": "B", "hypothesis": None, "count": 1},
        {"reference": None, "hypothesis": "A", "count": 1},
    ]
    drawn = figures.confusion(counts, ["A", "B"])
    assert is_svg(drawn.data)
    assert drawn.alt == "Most often: A taken for B 2 times; B taken for nothing 1 times; nothing taken for A 1 times."
    assert figures.confusion(counts[:1], ["A", "B"]).alt == "No gloss was confused."
    many = figures.confusion(counts, ["A", "B", *(f"G{number}" for number in range(30))])
    assert "12 glosses with fewer errors are left out" in many.caption


def test_what_it_looked_at_is_told_in_words() -> None:
    _, clip, one = one_judged()
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 1
    found = [Seen(gloss="DOWN", frame=3, probability=0.5, heat=heat)]
    drawn = figures.looked_at(one, found, clip.permute(0, 2, 3, 1).numpy(), "grad-cam-1")
    assert drawn is not None and drawn.data.startswith(b"\x89PNG")
    assert drawn.alt == "DOWN at 0.2 s: strongest top right."
    assert figures.looked_at(one, [], clip.permute(0, 2, 3, 1).numpy(), "x") is None


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_lines_are_told_apart_without_colour() -> None:
    assert len({str(dashes) for _, dashes, _ in LINES}) == len({marker for *_, marker in LINES}) == len(LINES)
    assert min(contrast(colour, PAPER) for colour, *_ in LINES) >= 4.5
    assert contrast(INK, PAPER) >= 7


# --- The page


def test_the_best_and_the_worst_are_never_the_same() -> None:
    def told(errors: int, length: int) -> dict[str, object]:
        return {"errors": errors, "reference": ["A"] * length}

    sentences = [told(0, 1), told(2, 4), told(0, 4), told(3, 3), told(0, 2)]
    assert examples(sentences, 2) == ([2, 4], [3, 1])
    assert examples(sentences[:1], 2) == ([0], [])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    data = draw_clips(tmp_path_factory.mktemp("data"))
    made = trained_run(tmp_path_factory.mktemp("runs") / "tiny", data)
    evaluate(made)
    return made


class Reader(HTMLParser):
    """Headings, pictures, and whatever names another place."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        self.places += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_the_page_is_whole_in_itself(run: Run) -> None:
    text = (run.evaluation / "report.html").read_text(encoding="utf-8")
    found = read(text)
    assert found.headings.count("h1") == 1
    assert all(int(after[1]) - int(before[1]) <= 1 for before, after in pairwise(found.headings))
    assert len(found.images) >= 6
    assert all(len(one["alt"] or "") > 15 for one in found.images)
    assert all(place.startswith("data:image/") for place in found.places)
    assert "<script" not in text and "url(" not in text
    names = {path.suffix for path in run.evaluation.iterdir()}
    assert names >= {".html", ".json", ".svg"}


def test_the_page_says_at_the_top_that_the_signers_are_drawn(run: Run, tmp_path: Path) -> None:
    text = (run.evaluation / "report.html").read_text(encoding="utf-8")
    assert text.index("drawn signers only") < text.index("<h2>")
    assert text.index("trained on 4 clips of one signer that the studio drew") < text.index("<h2>")
    data = draw_clips(tmp_path / "data", signers="anna{}")
    made = evaluate(trained_run(tmp_path / "run", data, TRAINING), command="make it <again>")
    other = (tmp_path / "run" / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert not made["data"]["drawn"] and "drawn" not in other
    assert "<code>make it &lt;again&gt;</code>" in other


def test_what_people_wrote_is_words_and_no_markup(run: Run) -> None:
    made = json.loads((run.evaluation / "evaluation.json").read_text(encoding="utf-8"))
    evil = "<script>alert(1)</script>"
    made["model"]["name"] = made["model"]["run"] = made["data"]["folder"] = made["device"] = evil
    made["per_signer"] = {evil: made["per_signer"]["drawn-002"]}
    made["infeasible"] |= {"of_keyframes": 1, "names": [evil]}
    made["config"]["data"]["batch_size"] = evil
    for one in made["sentences"]:
        one["clip"] = one["signer"] = evil
        one["steps"] = [{"kind": "substitution", "reference": evil, "hypothesis": evil}]
    text = page(made, [])
    assert "<script" not in text and text.count("&lt;script") > 10


def test_errors_are_marked_by_words(run: Run) -> None:
    made = json.loads((run.evaluation / "evaluation.json").read_text(encoding="utf-8"))
    kinds = (("right", "A", "A"), ("substitution", "B", "C"), ("deletion", "D", None), ("insertion", None, "E"))
    steps = [dict(zip(("kind", "reference", "hypothesis"), one, strict=True)) for one in kinds]
    made["sentences"] = [{**made["sentences"][0], "reference": ["A", "B", "D"], "errors": 3, "steps": steps}]
    text = page(made, [])
    for word in ("<td>right</td>", ">taken for</td>", ">left out</td>", ">put in</td>"):
        assert text.count(word) == 1, word


def test_a_stage_that_the_model_lacks_is_said(run: Run) -> None:
    made = json.loads((run.evaluation / "evaluation.json").read_text(encoding="utf-8"))
    made["stage_metrics"]["stage1"] = dict.fromkeys(made["stage_metrics"]["stage1"])
    assert page(made, []).count("This model does not have it.") == 1


def test_colours_of_the_page_can_be_read(run: Run) -> None:
    text = (run.evaluation / "report.html").read_text(encoding="utf-8")
    themes = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", theme))
        for words, ground in (
            ("ink", "paper"), ("soft", "paper"), ("ink", "card"), ("note-ink", "note"), ("wrong-ink", "wrong"),
        ):  # fmt: skip
            assert contrast(colour[words], colour[ground]) >= 4.5, (words, ground)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1100])
def test_a_browser_shows_the_page_and_every_picture(run: Run, browser: Browser, width: int) -> None:
    opened = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto((run.evaluation / "report.html").as_uri())
    sizes = opened.evaluate("[...document.images].map(one => one.naturalWidth)")
    assert sizes and min(sizes) > 100
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith("data:")] == [(run.evaluation / "report.html").as_uri()]
    opened.close()


def test_a_model_without_stages_is_evaluated_all_the_same(tmp_path: Path) -> None:
    bare = replace(TRAINING, model=replace(TINY, select=False, align=False))
    made = evaluate(trained_run(tmp_path / "run", draw_clips(tmp_path / "data"), bare))
    assert made["stage_metrics"]["stage1"]["alignment"] is None
    assert made["stage_metrics"]["stage2"] == {"selection_ratio": 1.0, "entropy": None, "balanced_accuracy": None}
    assert (tmp_path / "run" / "evaluation" / "report.html").is_file()


def test_clips_are_judged_the_same_in_batches_of_any_size(run: Run) -> None:
    from models.recognition.four_stage.evaluate import held_out
    from models.recognition.four_stage.files import load_four_stage

    model = load_four_stage(run.model)
    clips, batches = held_out(model, TRAINING, Path(run.config()["data"]), "test")
    one, all_at_once = list(judge(model, clips, batches, 1)), list(judge(model, clips, batches, 3))
    for single, among in zip(one, all_at_once, strict=True):
        assert single.heard.keyframes.tolist() == among.heard.keyframes.tolist()
        np.testing.assert_allclose(single.heard.log_probs, among.heard.log_probs, atol=1e-4)
        np.testing.assert_allclose(single.energy, among.energy, atol=1e-5)
    assert gradcam.seen(model, batches.plain([0]).video[0]) is not None
