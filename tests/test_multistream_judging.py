"""The numbers, figures and page of an evaluation of actions, on logits that are worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from models.errors import SignError
from models.recognition.multistream import evaluation_figures as figures
from models.recognition.multistream.evaluation_page import page, write_page
from models.recognition.multistream.judging import FULL, combined, interval_95, measured

NAMES = ("Putting [something]", "Taking [something]", "Pointing at [something]", "Never done", "Nor this", "Nor that")


def logits(*answers: int, labels: int = 6, sure: float = 0.5) -> np.ndarray:
    """A clip for each answer, which has the probability `sure`; the others share the rest."""
    table = np.full((len(answers), labels), np.log((1 - sure) / (labels - 1)), np.float32)
    table[np.arange(len(answers)), answers] = np.log(sure)
    return table


def judged(**changes: Any) -> dict[str, Any]:
    """Four clips of label 0, of which one is taken for 2; two of 1, both taken for 0; one without a label."""
    told = np.array([0, 0, 0, 0, 1, 1, -1])
    return measured(
        **{"logits": logits(0, 0, 0, 2, 0, 0, 5), "labels": told, "names": NAMES, "video_ids": list("abcdefg")}
        | changes
    )


def evaluation(**changes: Any) -> dict[str, Any]:
    """What a page is made of."""
    return {
        "timestamp": "2026-01-02T03:04:05+00:00",
        "command": "signstudio train evaluate <run>",
        "data": {
            "folder": "demo", "split": "test", "clips": 7, "labels": 6, "drawn": True, "without_boxes": 2,
            "hands_found": 0.875,
        },
        "model": {
            "run": "run-1", "name": "Actions & objects", "parameters": 1234, "streams": ["hands", "objects", "context"],
            "trained_on": "trained on 70 drawn clips", "config": {"size": 64},
        },
        "result": judged(),
        "compositional": None,
        "streams_masked": {"hands": {"top1": 0.25, "top5": 0.5}, "objects": {"top1": 0.5, "top5": 0.75}},
        "device": "CPU",
        "versions": {"torch": "2"},
    } | changes  # fmt: skip


def test_shares_are_those_counted_by_hand_and_clips_without_a_label_are_left_out() -> None:
    found = judged()
    assert (found["clips"], found["unlabelled"], found["labels"], found["k"]) == (6, 1, 6, 5)
    assert found["top1"] == pytest.approx(3 / 6)
    assert found["mean_class_accuracy"] == pytest.approx((3 / 4 + 0) / 2)
    first, second = found["per_class"]  # only labels that have clips
    assert (first["label"], first["clips"], first["right"], first["taken_for"]) == (0, 4, 3, NAMES[2])
    assert (second["label"], second["right"], second["taken_for"], second["taken_for_clips"]) == (1, 0, NAMES[0], 2)


def test_confusions_have_the_labels_that_occur_or_are_answered() -> None:
    found = judged()["confusion"]
    assert found["labels"] == [0, 1, 2]
    assert found["names"] == list(NAMES[:3])
    assert found["counts"] == [[3, 0, 1], [2, 0, 0], [0, 0, 0]]


def test_wrong_clips_are_named_the_surest_first() -> None:
    table = logits(0, 0, 0, 2, 0, 0, 5)
    table[5] = logits(0, sure=0.9)[0]
    wrong = judged(logits=table)["wrong"]
    assert [one["id"] for one in wrong] == ["f", "d", "e"]
    assert wrong[0] == {"id": "f", "label": NAMES[1], "answer": NAMES[0], "confidence": pytest.approx(0.9)}


def test_the_interval_is_wilsons() -> None:
    z, n, p = 1.959964, 20, 0.8  # the closed form
    middle, half = (p + z * z / (2 * n)), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert interval_95(16, 20) == pytest.approx(((middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)))
    low, high = interval_95(5, 5) or (0, 0)
    assert low < 0.6  # five of five is no proof
    assert high == pytest.approx(1)
    assert interval_95(0, 0) is None


def test_calibration_is_the_distance_of_confidence_and_accuracy() -> None:
    # Four clips said with 0.9, three right; two said with 0.35, none right.
    table = np.concatenate([logits(0, 0, 0, 1, sure=0.9), logits(1, 1, sure=0.35)])
    found = measured(table, np.array([0, 0, 0, 0, 0, 0]), NAMES, list("abcdef"))["calibration"]
    wanted = 4 / 6 * abs(0.9 - 0.75) + 2 / 6 * 0.35
    assert found["expected_calibration_error"] == pytest.approx(wanted, abs=1e-6)
    assert [one["clips"] for one in found["bins"] if one["clips"]] == [2, 4]
    assert sum(one["clips"] for one in found["bins"]) == 6


def test_a_model_that_knows_nothing_is_never_right() -> None:
    found = measured(np.zeros((3, 6), np.float32), np.array([0, 1, 2]), NAMES, list("abc"))
    assert found["top1"] == found["top5"] == 0
    assert len(found["wrong"]) == 3
    assert all(one["answer"] != one["label"] for one in found["wrong"])
    assert np.trace(np.array(found["confusion"]["counts"])) == 0


def test_with_few_labels_it_is_top_k_of_fewer_and_the_page_says_so() -> None:
    found = measured(logits(0, 1, 0, labels=3), np.array([0, 0, 2]), NAMES[:3], list("abc"))
    assert (found["k"], found["top5"]) == (3, 1)
    written = page(evaluation(result=found), ())
    assert "Top-3" in written
    assert "with so few labels it always is" in written
    assert "Top-5" not in written


def test_without_a_labelled_clip_nothing_is_claimed(tmp_path: Path) -> None:
    found = judged(labels=np.full(7, -1))
    assert (found["clips"], found["unlabelled"]) == (0, 7)
    assert found["top1"] is found["top5"] is found["mean_class_accuracy"] is found["top1_interval_95"] is None
    json.dumps(found, allow_nan=False)
    made = evaluation(result=found)
    assert figures.draw_figures(made, [], tmp_path) == []
    assert "Nothing was measured" in page(made, ())


def test_logits_that_are_no_numbers_are_refused_with_the_clip() -> None:
    table = logits(0, 0, 0, 2, 0, 0, 5)
    table[3, 1] = np.nan
    with pytest.raises(SignError, match=r"1 of 7 clips.*clip d"):
        judged(logits=table)
    with pytest.raises(ValueError, match="logits must be"):
        judged(names=NAMES[:5])


def test_the_table_of_streams_says_what_goes_with_each() -> None:
    rows = combined({"context": {"top1": 0.7, "top5": 0.9}, FULL: {"top1": 0.9, "top5": 1.0}, "hands": {"top1": 0.5}})
    assert [one["variant"] for one in rows] == [FULL, "hands", "context"]
    assert [one["lost"] for one in rows] == [None, pytest.approx(0.4), pytest.approx(0.2)]
    assert combined({"hands": {"top1": 0.5}})[0]["lost"] is None


def many(labels: int) -> dict[str, Any]:
    """As many labels, three clips each; of those from 10 to 14 all are taken for the next."""
    told = np.repeat(np.arange(labels), 3)
    answers = np.where((told >= 10) & (told < 15), told + 1, told)
    names = [f"Label <{number}> of $x$" for number in range(labels)]
    return measured(logits(*answers, labels=labels), told, names, [str(one) for one in range(len(told))])


def test_of_many_labels_those_that_are_confused_most_are_drawn() -> None:
    shown = figures.confusion(many(40))
    assert "The 25 labels that are confused most, of 40" in shown.caption
    assert "“Label <10> of $x$” taken for “Label <11> of $x$” in 3 of 3" in shown.alt
    text = "".join(ElementTree.fromstring(shown.data).itertext())
    assert shown.kind == "svg"
    assert "taken for" in text
    assert "confused most" not in figures.confusion(many(30)).caption
    counts = np.array(many(40)["confusion"]["counts"])
    assert set(range(10, 16)) <= set(figures._most_confused(counts))


def test_the_weakest_labels_are_drawn_first() -> None:
    shown = figures.per_class(many(50))
    assert "The 40 weakest of 50 labels" in shown.caption
    assert "The weakest: “Label <10> of $x$” 0 of 3; “Label <11> of $x$” 0 of 3" in shown.alt


def test_curves_are_of_the_lines_that_have_numbers() -> None:
    lines = [
        {"kind": "train", "step": 10, "loss": 2.5},
        {"kind": "train", "step": 20, "loss": None},
        {"kind": "train", "step": 30, "loss": 0.5},
        {"kind": "validation", "step": 30, "metrics": {"loss": 0.75, "top1": 0.5, "odd": None, "top5": float("nan")}},
    ]
    shown = figures.curves(lines)
    assert shown is not None
    assert shown.alt == (
        "Over 30 steps. loss, training: from 2.5 to 0.5; loss, validation: from 0.75 to 0.75; "
        "validation, top1: from 0.5 to 0.5."
    )
    assert figures.curves(lines[3:]) is None


def test_the_page_has_every_figure_and_says_that_the_clips_were_drawn(tmp_path: Path) -> None:
    made = evaluation()
    drawn = figures.draw_figures(made, [{"kind": "train", "step": 1, "loss": 1.0}], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "confusion.svg", "labels.svg", "streams.svg", "training.svg"
    ]  # fmt: skip
    write_page(made, drawn, tmp_path / "report.html")
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert written.count('src="data:image/svg+xml;base64,') == 4
    assert written.index("Trained and judged on drawn clips; says nothing of filmed ones.") < written.index("Judged on")
    assert "Actions &amp; objects" in written
    assert "&lt;run&gt;" in written
    assert "<run>" not in written
    assert "2 clips of 7 have no boxes" in written
    assert "found in 87.5 %" in written
    assert "1 clip without a known label is left out" in written
    assert "http" not in written.replace("http-equiv", "")


def test_the_page_of_filmed_clips_does_not_speak_of_drawn_ones() -> None:
    made = evaluation()
    made["data"] |= {"drawn": False}
    made["model"] |= {"trained_on": ""}
    written = page(made, ())
    assert "drawn clips" not in written
    assert "What it was trained on is not known." in written


def test_the_compositional_split_stands_beside_the_other() -> None:
    assert "no compositional split" in page(evaluation(), ())
    other = measured(logits(0, 1), np.array([0, 1]), NAMES, ["x", "y"])
    assert '<th scope="row">Compositional</th><td class="number">2</td>' in page(evaluation(compositional=other), ())
    made = evaluation()
    made["data"] |= {"split": "compositional"}
    assert "The split above is the compositional one" in page(made, ())
