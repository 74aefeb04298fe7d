"""Figures of recognition against numbers worked out by hand, and the report and picture that show them."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from models.errors import SignError
from models.figures import BLUE, INK, PALE, PAPER
from models.recognition.evaluation_figure import write_figure
from models.recognition.evaluation_report import RecognitionReport, area, milliseconds, percent, percent_up
from models.recognition.metrics import (
    UNKNOWN,
    Confusion,
    Detection,
    Isolated,
    Latency,
    WordErrors,
    auroc,
    by_group,
    confusions,
    detection,
    fpr_at_tpr,
    isolated,
    latency,
    top_k,
    word_errors,
)

REPORT = RecognitionReport(
    recognizer="a landmark model",
    data="rendered signers",
    command="signstudio recognize evaluate DATA",
    isolated=Isolated(
        num_clips=20,
        num_glosses=120,
        top1=0.95,
        top5=1.0,
        per_signer={"Ana": 1.0, "Ben": 0.9},
        confusions=(Confusion(reference="ICE CREAM", predicted=UNKNOWN, count=1, right=3, clips=4),),
    ),
    with_pauses=WordErrors(substitutions=2, deletions=4, insertions=1, hits=94),
    without_pauses=WordErrors(substitutions=10, deletions=5, insertions=1, hits=85),
    unknown=Detection(num_positive=20, num_negative=10, auroc=0.96, fpr_at_95_tpr=0.1),
    idle=Detection(num_positive=500, num_negative=100, auroc=0.995, fpr_at_95_tpr=0.0),
    latency=Latency(calls=100, p50_ms=4.0, p95_ms=9.2),
)


# Word errors


def test_each_kind_of_error_is_counted() -> None:
    found = word_errors(
        [["I", "LIKE", "APPLE"], ["YOU", "GO"], ["HOUSE"]],
        [["I", "LIKE", "ONION"], ["GO"], ["HOUSE", "BIG", "RED"]],
    )
    assert (found.substitutions, found.deletions, found.insertions, found.hits) == (1, 1, 2, 4)
    assert found.reference_length == 6
    assert found.wer == pytest.approx(4 / 6)


def test_a_gloss_with_spaces_is_one_word() -> None:
    found = word_errors([["ICE CREAM", "GOOD-BYE"]], [["ICE", "GOOD BYE"]])
    assert (found.substitutions, found.hits, found.insertions, found.deletions) == (2, 0, 0, 0)
    assert word_errors([["ICE CREAM"]], [["ICE CREAM"]]).wer == 0
    assert word_errors([["ICE  CREAM"]], [["ICE CREAM"]]).substitutions == 1


def test_glosses_that_look_like_the_numbers_inside_are_not_mixed_up() -> None:
    found = word_errors([["1", "0", "ONE"]], [["ONE", "1", "0"]])
    assert found.hits == 2
    assert word_errors([["1", "0"]], [["0", "1"]]).wer == 1


def test_an_empty_hypothesis_is_all_deletions() -> None:
    found = word_errors([["A", "B"]], [[]])
    assert (found.deletions, found.wer) == (2, 1.0)


def test_an_empty_reference_counts_what_was_made_up() -> None:
    found = word_errors([[], ["A"]], [["B", "C"], ["A"]])
    assert (found.insertions, found.hits, found.wer) == (2, 1, 2.0)


@pytest.mark.parametrize(("references", "hypotheses"), [([], []), ([[]], [[]]), ([[]], [["A"]])])
def test_without_signs_there_is_no_rate(references: list, hypotheses: list) -> None:
    assert word_errors(references, hypotheses).wer is None


def test_sentences_are_pooled_and_not_averaged() -> None:
    found = word_errors([["A"], ["A", "B", "C", "D"]], [["B"], ["A", "B", "C", "D"]])
    assert found.wer == pytest.approx(1 / 5)  # the mean of the sentences would be 1/2


def test_hypotheses_must_belong_to_references() -> None:
    with pytest.raises(ValueError, match="2 references and 1"):
        word_errors([["A"], ["B"]], [["A"]])


# Single signs


def test_top_k_counts_the_best_scores() -> None:
    scores = [[0.1, 0.5, 0.4], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]]
    assert top_k(scores, [1, 1, 0], 1).tolist() == [True, False, False]
    assert top_k(scores, [1, 1, 0], 2).tolist() == [True, True, False]
    assert top_k(scores, [1, 1, 0], 5).all()


def test_a_tie_is_never_in_favour_of_the_recognizer() -> None:
    assert not top_k(np.zeros((2, 3)), [0, 2], 1).any()
    assert not top_k(np.zeros((2, 3)), [0, 2], 2).any()
    assert top_k(np.zeros((2, 3)), [0, 2], 3).all()


@pytest.mark.parametrize(
    ("scores", "labels", "k"),
    [
        ([[1.0, 2.0]], [2], 1),
        ([[1.0, 2.0]], [-1], 1),
        ([[1.0, 2.0]], [0, 1], 1),
        ([[1.0, math.nan]], [0], 1),
        ([[1.0, 2.0]], [0], 0),
        ([1.0, 2.0], [0], 1),
    ],
)
def test_scores_that_make_no_sense_are_refused(scores: list, labels: list, k: int) -> None:
    with pytest.raises(ValueError, match="must"):
        top_k(scores, labels, k)


def test_groups_have_their_own_mean_in_order_of_name() -> None:
    found = by_group([True, False, True, True], ["Zoe", "Zoe", "Ana", "Zoe"])
    assert list(found.items()) == [("Ana", 1.0), ("Zoe", pytest.approx(2 / 3))]
    with pytest.raises(ValueError):
        by_group([True], ["Ana", "Zoe"])


def test_confusions_are_told_by_how_often_they_happen() -> None:
    found = confusions(["A", "A", "A", "B", "B", "C"], ["B", "A", "B", "A", None, "C"])
    assert found == (
        Confusion(reference="A", predicted="B", count=2, right=1, clips=3),
        Confusion(reference="B", predicted="A", count=1, right=0, clips=2),
        Confusion(reference="B", predicted=UNKNOWN, count=1, right=0, clips=2),
    )
    (first,) = confusions(["A", "A", "B"], ["B", "B", "A"], most=1)
    assert first == Confusion(reference="A", predicted="B", count=2, right=0, clips=2)
    assert confusions(["A"], ["A"]) == ()


def test_isolated_puts_clips_signers_and_confusions_together() -> None:
    scores = np.array([[3, 1, 0], [0, 2, 1], [0, 2, 1], [1, 1, 1]])
    found = isolated(scores, [0, 1, 2, 0], ["APPLE", "BALL", "CAT"], ["Ana", "Ana", "Ben", "Ben"])
    assert found is not None
    assert (found.num_clips, found.num_glosses, found.top1, found.top5) == (4, 3, 0.5, 1.0)
    assert found.per_signer == {"Ana": 1.0, "Ben": 0.0}
    # The last clip is a tie: it is wrong, and so it is taken for another sign.
    assert {(one.reference, one.predicted) for one in found.confusions} == {("CAT", "BALL"), ("APPLE", "BALL")}
    assert isolated(np.zeros((0, 3)), np.zeros(0), ["A", "B", "C"], []) is None


# Detection


def test_auroc_is_the_chance_of_the_right_order() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1
    assert auroc([0.1, 0.2], [0.9, 0.8]) == 0
    assert auroc([0.9, 0.4], [0.5, 0.1]) == pytest.approx(3 / 4)
    assert auroc([1, 1], [1, 1, 1]) == pytest.approx(1 / 2)
    assert auroc([2, 1], [1, 0]) == pytest.approx(3.5 / 4)


def test_auroc_is_the_same_as_counting_pairs() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 8, 40) + 2, rng.integers(0, 8, 30)
    pairs = [float(np.sign(a - b)) / 2 + 0.5 for a, b in itertools.product(positive, negative)]
    assert auroc(positive, negative) == pytest.approx(np.mean(pairs))


def test_infinite_scores_have_a_place_in_the_order() -> None:
    assert auroc([math.inf, 0], [-math.inf, 1]) == pytest.approx(3 / 4)


def test_the_threshold_lets_enough_positives_in() -> None:
    positive = np.arange(1, 21)  # 95 % are 19 of 20: all from 2 on
    assert fpr_at_tpr(positive, [0, 1, 1.5, 2, 3]) == pytest.approx(2 / 5)
    assert fpr_at_tpr(positive, [0, 1, 1.5, 2, 3], tpr=1.0) == pytest.approx(4 / 5)
    assert fpr_at_tpr(positive, [10, 11, 12], tpr=0.5) == pytest.approx(2 / 3)  # from 11 on


def test_a_negative_at_the_threshold_is_accepted() -> None:
    assert fpr_at_tpr([1, 1, 1], [1, 0]) == pytest.approx(1 / 2)


def test_few_positives_are_all_needed_for_95_percent() -> None:
    assert fpr_at_tpr([1, 5, 5], [2, 0]) == pytest.approx(1 / 2)


@pytest.mark.parametrize("measure", [auroc, fpr_at_tpr, detection])
def test_one_kind_of_scores_alone_measures_nothing(measure) -> None:
    assert measure([], [1.0]) is None
    assert measure([1.0], []) is None
    with pytest.raises(ValueError, match="NaN"):
        measure([math.nan], [1.0])


@pytest.mark.parametrize("tpr", [0, -0.1, 1.1])
def test_a_share_of_positives_must_be_one(tpr: float) -> None:
    with pytest.raises(ValueError, match="tpr"):
        fpr_at_tpr([1], [0], tpr)


def test_detection_counts_both_kinds() -> None:
    assert detection([3, 2], [1, 0, 2]) == Detection(
        num_positive=2, num_negative=3, auroc=pytest.approx(5.5 / 6), fpr_at_95_tpr=pytest.approx(1 / 3)
    )


def test_latency_is_median_and_95th_percentile() -> None:
    assert latency(range(101)) == Latency(calls=101, p50_ms=50, p95_ms=95)
    assert latency([4.0]) == Latency(calls=1, p50_ms=4, p95_ms=4)
    assert latency([]) is None


# The report


def line(report: RecognitionReport, words: str) -> str:
    (found,) = [one for one in report.lines() if words in one]
    return found


def test_every_figure_stands_beside_its_aim() -> None:
    assert (
        line(REPORT, "top-1") == "✔ Single signs, top-1: 95 % (20 clips of 2 signers, 120 glosses; aim: at least 95 %)"
    )
    assert line(REPORT, "with pauses").startswith(
        "✔ Sentences with pauses, WER: 7 % (2 substitutions, 4 deletions, 1 insertion in 100 signs; aim: at most 7 %)"
    )
    assert line(REPORT, "without pauses").startswith("✘ Sentences without pauses, WER: 16 %")
    assert line(REPORT, "Unknown signs") == "✘ Unknown signs, AUROC: 0.960 (20 known, 10 unknown; aim: at least 0.970)"
    assert line(REPORT, "Unknown taken") == "• Unknown taken for known where 95 % of known is accepted: 10 %"
    assert line(REPORT, "Idleness").startswith("✔ Idleness, AUROC: 0.995")
    assert line(REPORT, "Encoder") == "✔ Encoder, p95: 9.2 ms (median 4.0 ms, 100 calls; aim: at most 10.0 ms)"
    assert line(REPORT, "ICE CREAM").strip() == "ICE CREAM taken for unknown in 1 of 4 clips"
    assert "Measured by: signstudio recognize evaluate DATA" in REPORT.lines()


def test_the_weakest_signer_comes_first() -> None:
    names = [one.split()[0] for one in REPORT.lines() if one.split()[0] in ("Ana", "Ben")]
    assert names == ["Ben", "Ana"]


def test_what_was_not_measured_is_said_and_neither_met_nor_missed() -> None:
    lines = RecognitionReport().lines()
    assert len(lines) == 6
    assert all(one.startswith("•") and "not measured" in one and "aim: " in one for one in lines)
    nothing_signed = replace(REPORT, with_pauses=WordErrors(substitutions=0, deletions=0, insertions=3, hits=0))
    assert line(nothing_signed, "with pauses").startswith("• Sentences with pauses, WER: not measured (0 subst")


def test_rounding_never_flatters() -> None:
    assert percent(0.9999) == "99.9 %"
    assert percent(0.95) == "95 %"
    assert percent_up(0.0001) == "0.1 %"
    assert percent_up(0.07) == "7 %"
    assert area(0.9699) == "0.969"
    assert area(0.97) == "0.970"
    assert milliseconds(10.01) == "10.1 ms"


def test_the_json_has_all_figures_and_none_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    REPORT.write_json(path)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert read["aims"]["wer_without_pauses"] == 0.15
    assert read["isolated"]["per_signer"] == {"Ana": 1.0, "Ben": 0.9}
    assert read["isolated"]["confusions"][0]["reference"] == "ICE CREAM"
    assert read["continuous"]["with_pauses"] == {
        "substitutions": 2,
        "deletions": 4,
        "insertions": 1,
        "hits": 94,
        "reference_length": 100,
        "wer": 0.07,
    }
    assert read["unknown"]["fpr_at_95_tpr"] == 0.1
    RecognitionReport().write_json(path)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert [read[name] for name in ("isolated", "unknown", "idle", "latency")] == [None] * 4
    assert read["continuous"] == {"with_pauses": None, "without_pauses": None}


# The picture


def many(signers: int, glosses: int) -> Isolated:
    """Signers and confusions beyond what fits; each gloss is taken for the next, and for no known sign."""
    names = [f"A VERY LONG GLOSS ${index}$" for index in range(glosses)]
    return Isolated(
        num_clips=100,
        num_glosses=glosses,
        top1=0.5,
        top5=0.7,
        per_signer={f"signer {index}": index / signers for index in range(signers)},
        confusions=confusions(names * 3, [*names, *names[1:], names[0], *([None] * glosses)]),
    )


@pytest.mark.parametrize(
    "report",
    [
        REPORT,
        RecognitionReport(),
        replace(REPORT, isolated=many(30, 25)),
        replace(REPORT, isolated=many(1, 2), with_pauses=None),
        replace(REPORT, without_pauses=WordErrors(substitutions=1, deletions=0, insertions=30, hits=3)),
    ],
    ids=["all", "nothing", "many", "few", "awful"],
)
def test_any_report_can_be_drawn(report: RecognitionReport, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "new" / "report.png"
    write_figure(report, path)
    with Image.open(path) as picture:
        assert picture.size == (1200, 820)
        assert picture.info["Description"] == "\n".join(report.lines())
        grey = np.asarray(picture.convert("L"))
    # Nothing runs over the edge.
    assert min(grey[0].min(), grey[-1].min(), grey[:, 0].min(), grey[:, -1].min()) == 255
    assert not [str(one.message) for one in recwarn if "layout" in str(one.message) or "Glyph" in str(one.message)]


def test_a_worse_signer_has_a_shorter_bar(tmp_path: Path) -> None:
    bars = []
    for share in (0.3, 0.9):
        path = tmp_path / "report.png"
        signs = Isolated(num_clips=9, num_glosses=9, top1=share, top5=share, per_signer={"Ana": share})
        write_figure(RecognitionReport(isolated=signs), path)
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        bars.append(int((pixels == ImageColor.getrgb(BLUE)).all(axis=-1).any(axis=0).sum()))
    assert bars[0] > 0
    assert bars[0] * 3 == pytest.approx(bars[1], abs=6)


def test_an_svg_can_be_written_and_other_files_cannot(tmp_path: Path) -> None:
    write_figure(REPORT, tmp_path / "report.svg")
    assert "<svg" in (tmp_path / "report.svg").read_text(encoding="utf-8")[:2000]
    with pytest.raises(SignError, match=r"report.txt.*\.png or \.svg"):
        write_figure(REPORT, tmp_path / "report.txt")
    assert not (tmp_path / "report.txt").exists()


def test_words_keep_their_contrast_on_every_colour_below_them() -> None:
    def light(colour: str) -> float:
        parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722)) + 0.05

    ink = light(INK)
    assert light(PAPER) / ink > 7
    assert light(PALE) / ink > 7
    assert light(PAPER) / light(BLUE) > 3
