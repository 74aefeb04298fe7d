"""What the Recognize tab does without its page: clips and poses in, files out; comparing; signs that are taught."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from console import console

from models.errors import LexiconError, PoseError, SignError
from models.lexicon.embedded import embedded_lexicon
from models.lexicon.recordings import add
from models.lexicon.signs import Lexicon
from models.pose.files import read_pose, write_pose
from models.progress import Cancelled
from models.recognition.results import Candidate, Floats, Recognition, RecognitionStream, RecognizedSegment
from models.video import probe
from studio import comparing, signs, teaching
from studio.comparing import compare
from studio.limits import Limits
from studio.recognizing import Recognized, Step, recognize_clip, recognize_many
from studio.ui import segments_view


def segment(start_ms: float, end_ms: float, *names: str, known: bool = True) -> RecognizedSegment:
    shares = [0.9, 0.07, 0.03] if known else [0.4, 0.3, 0.3]
    return RecognizedSegment(
        start_ms=start_ms,
        end_ms=end_ms,
        candidates=tuple(
            Candidate(gloss=name, confidence=share, distance=1 - share)
            for name, share in zip(names, shares, strict=False)
        ),
        known=known,
    )


SCRIPT = (
    segment(400, 1000, "HELLO", "GOODBYE", "KNOW"),
    segment(1300, 1800, "MY", "PLEASE"),
    segment(2100, 2700, "NAME", "TIME", "SIT", known=False),
)


@dataclass(frozen=True)
class Scripted:
    """A recognizer that always says the same; the first sign is the newest one that the user's lexicons have."""

    lexicons: Sequence[Lexicon]
    description: str = "A scripted recognizer; it learned <nothing> from drawn signers."

    @property
    def glosses(self) -> tuple[str, ...]:
        return tuple(sorted({gloss for lexicon in self.lexicons for gloss in lexicon.glosses}))

    def segments(self, rows: Floats) -> tuple[RecognizedSegment, ...]:
        own = [entry.gloss for lexicon in self.lexicons[:-1] for entry in lexicon.entries]
        first = segment(400, 1000, own[-1], "HELLO") if own else SCRIPT[0]
        return (first, *SCRIPT[1:])

    def stream(self) -> RecognitionStream:
        raise NotImplementedError


def quiet(_: object) -> None:
    pass


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def made(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Recognized:
    """A sample clip, recognized."""
    folder = tmp_path_factory.mktemp("recognized")
    return recognize_clip(sample, folder, [signs.embedded()], Limits(), quiet, never, make=Scripted)


def test_a_clip_becomes_a_recognition_and_files(made: Recognized, sample: Path) -> None:
    assert [one.gloss for one in made.recognition.segments] == ["HELLO", "MY", None]
    assert made.video == sample
    assert [path.suffix for path in made.downloads] == [".eaf", ".vtt", ".csv", ".json", ".pose"]
    assert len(read_pose(made.downloads[-1]).body.data) == probe(sample).num_frames
    document = ElementTree.parse(made.downloads[0])
    media = document.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.get("RELATIVE_MEDIA_URL") == f"./{sample.name}"


def test_a_pose_gives_the_same_and_its_drawing(made: Recognized, tmp_path: Path) -> None:
    again = recognize_clip(made.downloads[-1], tmp_path, [signs.embedded()], Limits(), quiet, never, make=Scripted)
    assert again.recognition == made.recognition
    assert again.video in again.downloads
    assert probe(again.video).num_frames == len(read_pose(made.downloads[-1]).body.data)


def test_the_steps_are_told_and_stopping_stops(short: Path, tmp_path: Path) -> None:
    told: list[Step] = []
    with pytest.raises(Cancelled):
        recognize_clip(short, tmp_path, [], Limits(), told.append, lambda: len(told) > 1, make=Scripted)
    assert [step.words for step in told[:2]] == ["Loading the recognizer …", "Reading the pose"]
    assert told[1].progress is not None
    assert not list(tmp_path.iterdir())


def test_what_is_too_long_is_refused_before_any_work(made: Recognized, tmp_path: Path) -> None:
    pose = read_pose(made.downloads[-1])
    pose.body.fps = 1.0
    write_pose(tmp_path / "long.pose", pose)
    with pytest.raises(PoseError, match="minutes are more than the 1 accepted"):
        recognize_clip(tmp_path / "long.pose", tmp_path, [], Limits(max_clip_minutes=1), quiet, never, make=Scripted)


def test_several_clips_keep_their_order_and_a_bad_one_has_its_reason(
    made: Recognized, short: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(short.read_bytes()[:2000])
    sources = [short, broken, made.downloads[-1]]
    many = recognize_many(sources, tmp_path / "out", [], Limits(), quiet, never, make=Scripted)
    assert [clip.name for clip in many.clips] == [path.name for path in sources]
    assert [clip.error is None for clip in many.clips] == [True, False, True]
    assert many.archive is not None
    with zipfile.ZipFile(many.archive) as archive:
        table = archive.read("glosses.tsv").decode().splitlines()
        names = archive.namelist()
    assert table[1].startswith(f"{short.name}\tHELLO MY ?\t")
    assert table[2].startswith("broken.mp4\t\t")
    assert "drawn signers" in table[-1]
    assert len([name for name in names if name.endswith(".eaf")]) == 2
    assert len(set(names)) == len(names)


def test_on_the_command_line_clips_of_one_name_are_both_kept_and_a_pose_is_no_media(
    made: Recognized, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.recognition.ready.ready_recognizer", lambda among, _folder: Scripted(among))
    clips = [tmp_path / "a" / "clip.pose", tmp_path / "b" / "Clip.pose", tmp_path / "c" / "clip.pose"]
    for clip in clips:
        write_pose(clip, read_pose(next(path for path in made.downloads if path.suffix == ".pose")))
    done = console("recognize", "run", *clips, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{name}.{end}" for name in ("clip", "Clip-2", "clip-3") for end in ("json", "vtt", "csv", "eaf")}
    assert ElementTree.parse(tmp_path / "out" / "clip.eaf").find("HEADER/MEDIA_DESCRIPTOR") is None


def test_several_bad_clips_give_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    many = recognize_many([tmp_path / "a.mp4"], tmp_path / "out", [], Limits(), quiet, never, make=Scripted)
    assert many.archive is None
    assert many.clips[0].error


def test_a_segment_is_compared_with_the_sign_as_the_lexicon_has_it(made: Recognized, tmp_path: Path) -> None:
    shown = compare(made, 2, 1, tmp_path, [signs.embedded()])
    assert shown.candidate.gloss == "TIME"
    assert not shown.recorded
    length = probe(shown.clip).duration_s
    assert length is not None
    assert 0.55 < length < 0.6 + 2.5 * comparing.MARGIN_MS / 1000
    assert probe(shown.sign).num_frames
    words = segments_view.comparison(shown)
    assert "stays unknown" in words
    assert "30 %" in words


def test_a_recorded_sign_is_compared_too(made: Recognized, tmp_path: Path) -> None:
    lexicon = embedded_lexicon()
    add(tmp_path / "own", lexicon.load(lexicon.find("HOUSE")[0]), "HELLO")
    shown = compare(made, 0, 0, tmp_path, signs.lexicons(tmp_path / "own"))
    assert shown.recorded
    assert probe(shown.sign).num_frames


@pytest.mark.parametrize(("segment_number", "candidate"), [(-1, 0), (3, 0), (1, 2), (0, -1)])
def test_what_is_not_there_cannot_be_compared(
    made: Recognized, tmp_path: Path, segment_number: int, candidate: int
) -> None:
    with pytest.raises(SignError, match="not there any more"):
        compare(made, segment_number, candidate, tmp_path, [signs.embedded()])


def test_a_sign_that_no_lexicon_has_cannot_be_compared(made: Recognized, tmp_path: Path) -> None:
    strange = replace(made, recognition=replace(made.recognition, segments=(segment(0, 500, "XYZZY"),)))
    with pytest.raises(LexiconError, match="XYZZY"):
        compare(strange, 0, 0, tmp_path, [signs.embedded()])


def test_taught_signs_are_listed_packed_and_forgotten(tmp_path: Path) -> None:
    own, lexicon = tmp_path / "own", embedded_lexicon()
    assert teaching.taught(own) == {}
    assert teaching.packed(own, tmp_path) is None
    for name in ("B-SIGN", "A-SIGN", "B-SIGN"):
        add(own, lexicon.load(lexicon.find("HOUSE")[0]), name)
    assert teaching.taught(own) == {"A-SIGN": 1, "B-SIGN": 2}
    archive = teaching.packed(own, tmp_path)
    assert archive is not None
    with zipfile.ZipFile(archive) as packed:
        assert sorted(packed.namelist()) == ["a-sign.pose", "b-sign-2.pose", "b-sign.pose", "index.csv"]
    teaching.forget(own, "B-SIGN")
    assert teaching.taught(own) == {"A-SIGN": 1}
    assert not list(own.glob("b-sign*"))
    teaching.forget(own, "A-SIGN")
    assert teaching.packed(own, tmp_path) is None
    with pytest.raises(LexiconError):
        teaching.forget(own, "A-SIGN")


def test_a_sign_needs_a_name_and_few_enough_clips(short: Path, tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="no gloss"):
        teaching.teach([short], "two words", tmp_path / "own", Limits(), quiet, never)
    with pytest.raises(SignError, match="6 clips are more than the 5"):
        teaching.teach([short] * 6, "SIX", tmp_path / "own", Limits(), quiet, never)
    assert not (tmp_path / "own").exists()


def test_a_clip_that_is_no_video_is_told_and_the_others_are_learned(short: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.mp4").write_bytes(b"This is a letter. " * 50)
    told: list[Step] = []
    clips = [tmp_path / "letter.mp4", short]
    report = teaching.teach(clips, "a-sign", tmp_path / "own", Limits(), told.append, never)
    assert [(clip.name, clip.accepted) for clip in report.clips] == [("letter.mp4", False), (short.name, True)]
    assert "not a video" in report.clips[0].verdict
    assert report.accepted == 1
    assert teaching.taught(tmp_path / "own") == {"A-SIGN": 1}
    assert told[-1].progress is not None
    assert "A-SIGN is known" in segments_view.taught_now(report)


def test_nothing_is_learned_when_stopped(short: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        teaching.teach([short], "A-SIGN", tmp_path / "own", Limits(), quiet, lambda: True)
    assert teaching.taught(tmp_path / "own") == {}


def page_of(*segments: RecognizedSegment, duration_ms: float = 3000) -> Recognition:
    return Recognition(segments=segments, duration_ms=duration_ms, recognizer="<b>A test</b>")


def test_what_is_shown_is_escaped_and_says_what_is_unknown() -> None:
    found = page_of(segment(0, 500, '<img src=x onerror="1">'), segment(600, 900, "MY", known=False))
    html = segments_view.timeline(found, "video") + segments_view.table(found) + segments_view.summary(found)
    html += segments_view.about(found.recognizer)
    assert "<img" not in html
    assert "<b>" not in html
    assert ElementTree.fromstring(f"<div>{html.replace(' hidden>', '>')}</div>") is not None
    assert 'class="segment unknown"' in html
    assert ">unknown</span>" in html
    assert "unknown sign, 0.60 s to 0.90 s; play" in html
    assert segments_view.summary(page_of()).count("No sign was found") == 1


def test_segments_lie_where_they_are_in_time() -> None:
    found = page_of(segment(1500, 2250, "A"))
    assert "left:50.000%;width:25.000%" in segments_view.timeline(found, "video")
    # A stream may end a segment after the last frame: the axis is long enough for it.
    assert "left:50.000%;width:50.000%" in segments_view.timeline(
        page_of(segment(1500, 3000, "A"), duration_ms=2900), "video"
    )


def test_only_one_segment_is_a_stop_for_the_tab_key() -> None:
    html = segments_view.timeline(page_of(*(segment(100 * k, 100 * k + 50, "A") for k in range(9))), "video")
    assert html.count('tabindex="0"') == 1
    assert html.count('tabindex="-1"') == 8
