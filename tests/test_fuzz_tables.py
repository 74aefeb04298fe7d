"""Indexes, lists of clips and JSON of strangers: a value or a SignError, and never a file outside of the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.something import read_subset
from models.data.something_boxes import videos_of
from models.data.wlasl_file import read_wlasl
from models.data.word_clips import read_index
from models.data.word_samples import read_sample
from models.errors import SignError
from models.files import DEEPEST, parse_json, plain_cell, read_json
from models.lexicon.index import COLUMNS, open_lexicon
from models.lexicon.phonology_tables import read_mapping
from models.pose.openpose_json import read_openpose
from models.pose.record import read_record, read_sharpness
from models.recognition.four_stage.clips import read_clips
from models.training.run import Run, Status
from studio.processes import alive, read_values
from studio.turns import is_run

OUTSIDE = [
    "../outside.pose", "a/../../outside.pose", "/etc/passwd", "//server/share/x.pose", "C:\\x.pose", "C:x.pose",
    "..\\outside.pose", "a\\..\\..\\outside.pose", "file:///etc/passwd", "http://x/y.pose", "link.pose",
    "folder/x.pose",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with links that lead out of it, beside what must not be read."""
    (tmp_path / "outside.pose").write_bytes(b"secret")
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "x.pose").write_bytes(b"secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.pose").symlink_to(tmp_path / "outside.pose")
    (inside / "folder").symlink_to(tmp_path / "away")
    return inside


@pytest.mark.parametrize("path", [*OUTSIDE, "a\0b.pose", "x" * 5000, "\u202e.pose", ""])
def test_no_path_of_a_lexicon_leads_out_of_its_folder(folder: Path, path: str) -> None:
    row = f'"{path}",en,ase,0,0,house,HOUSE,0\n'
    (folder / "index.csv").write_text(",".join(COLUMNS) + "\n" + row)
    found = open_lexicon(folder)
    assert not found.entries
    assert len(found.problems) == 1 and len(found.problems[0]) < 600


@pytest.mark.parametrize("path", ["../outside.pose", "/etc/passwd", "link.pose", "folder/x.pose", "a\0b"])
def test_no_path_of_a_list_of_clips_or_samples_leads_out_of_its_folder(folder: Path, path: str) -> None:
    (folder / "clips.csv").write_text(f"path,glosses,signer,split\n{path},HOUSE,anna,train\n")
    with pytest.raises(SignError, match=r"outside|table"):
        read_clips(folder)
    (folder / "index.csv").write_text(f"path,word,signer,split\n{path},house,anna,train\n")
    with pytest.raises(SignError, match=r"leads out|table"):
        read_index(folder)


ABSURD = ["-1", "1e9", "99999999999999999999", "NaN", "0x10", "١٢", " 5", "", "1,5", "=1+1", "9" * 5000]


@pytest.mark.parametrize("number", ABSURD)
def test_absurd_times_of_a_lexicon_are_a_problem_of_their_line(folder: Path, number: str) -> None:
    (folder / "sign.pose").write_bytes(b"")
    (folder / "index.csv").write_text(f'{",".join(COLUMNS)}\nsign.pose,en,ase,0,"{number}",house,HOUSE,0\n')
    found = open_lexicon(folder)
    assert all(len(problem) < 600 for problem in found.problems)
    assert len(found.entries) + len(found.problems) == 1
    for entry in found.entries:
        with pytest.raises(SignError):  # the pose is empty
            found.load(entry)


TABLES = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(str.encode),
    st.lists(st.sampled_from([*COLUMNS, "a", "", '"', "\0", "\ufeff", ";", "\t", "=1"]), max_size=40).map(
        lambda cells: (",".join(cells) + "\n" + ",".join(COLUMNS) + "\n").encode("utf-8-sig")
    ),
    st.integers(1, 200_000).map(lambda count: b"a," * count),
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(TABLES)
def test_any_bytes_are_a_table_or_a_sign_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name, read in (("index.csv", open_lexicon), ("clips.csv", read_clips), ("index.csv", read_index)):
        (folder / name).write_bytes(content)
        with_sign_errors(read, folder)


def with_sign_errors(read: Callable[[Path], Any], path: Path) -> None:
    try:
        read(path)
    except SignError as error:
        assert 10 < len(str(error)) < 3000


JSON_READERS: list[tuple[str, Callable[[Path], Any]]] = [
    ("wlasl.json", read_wlasl),
    ("meta.json", read_sample),
    ("a_keypoints.json", read_openpose),
    ("boxes.json", lambda path: list(videos_of(path))),
    ("subset.json", read_subset),
    ("x.pose.json", lambda path: read_record(path.with_suffix(""))),
    ("x.pose.json", lambda path: read_sharpness(path.with_suffix(""), 1)),
    ("config.json", lambda path: Run(path.parent).config()),
    ("status.json", lambda path: Run(path.parent).status()),
    ("metrics.jsonl", lambda path: Run(path.parent).metrics()),
    ("config.json", lambda path: is_run(path.parent)),
    ("process.json", read_values),
    ("pid.json", lambda path: alive(path.parent)),
]
BROKEN_JSON = {
    "deep": "[" * 100_000,
    "deep and whole": "[" * 900 + "]" * 900,
    "deep objects": '{"a":' * 5000 + "1" + "}" * 5000,
    "huge number": '{"state": ' + "9" * 5000 + "}",
    "huge numbers": json.dumps([{"gloss": "A", "instances": [{"video_id": "1", "frame_start": 10**400}]}]),
    "not a number": '{"step": NaN, "steps": Infinity, "best": {"value": -Infinity}}',
    "twice": '{"state": "queued", "state": []}',
    "bytes": "\ud800",
    "null": "null",
    "nothing": "",
}


@pytest.mark.parametrize("kind", BROKEN_JSON)
@pytest.mark.parametrize("number", range(len(JSON_READERS)))
def test_broken_json_is_a_sign_error_or_nothing(tmp_path: Path, number: int, kind: str) -> None:
    name, read = JSON_READERS[number]
    (tmp_path / name).write_bytes(BROKEN_JSON[kind].encode("utf-8", "surrogatepass"))
    with_sign_errors(read, tmp_path / name)


KNOWN = """gloss instances video_id url split frame_start frame_end fps signer_id bbox people pose_keypoints_2d state
step best words span_ms signing picture boxes id placeholders template name labels gt_placeholders"""
WORDS = st.sampled_from(KNOWN.split())
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**400),
        st.sampled_from(["train", "HOUSE", "https://x.org/a", -1, 25, "../../x"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=6)),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(VALUES)
def test_json_of_any_shape_is_read_or_a_sign_error(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name, read in JSON_READERS:
        (folder / name).write_text(json.dumps(value))
        with_sign_errors(read, folder / name)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.one_of(VALUES, st.sampled_from([good]))
            for name, good in {
                "video_id": "12", "url": "https://x.org/a", "split": "train", "frame_start": 1, "frame_end": -1,
                "fps": 25, "signer_id": 3, "bbox": [1, 2, 30, 40], "source": "x", "variation_id": 0, "instance_id": 0,
            }.items()
        },
    )
)  # fmt: skip
def test_an_instance_of_wlasl_is_whole_or_left_out(tmp_path_factory: pytest.TempPathFactory, record: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "wlasl.json"
    path.write_text(json.dumps([{"gloss": "house", "instances": [record]}]))
    try:
        (one,) = read_wlasl(path).instances
    except SignError:
        return
    assert "/" not in one.item and 0 <= one.start_frame / one.fps < 1e9
    assert one.end_frame is None or one.start_frame < one.end_frame


def test_a_status_that_is_no_status_is_unknown(tmp_path: Path) -> None:
    for content in BROKEN_JSON.values():
        (tmp_path / "status.json").write_bytes(content.encode("utf-8", "surrogatepass"))
        assert Run(tmp_path).status() == Status() or "NaN" in content or "queued" in content


def test_nesting_and_size_have_a_bound(tmp_path: Path) -> None:
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)
    for text in ("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), '{"a":' * 200 + "1" + "}" * 200):
        with pytest.raises(ValueError, match="deep"):
            parse_json(text)
    (tmp_path / "large.json").write_text("[" + "1," * 1000 + "1]")
    assert len(read_json(tmp_path / "large.json")) == 1001
    with pytest.raises(ValueError, match="more than"):
        read_json(tmp_path / "large.json", most_bytes=1000)


@pytest.mark.parametrize(
    "content",
    [
        "a: &a [x,x]\nb: &b [*a,*a]\n"
        + "".join(f"c{n}: &c{n} [{'*b' if n == 0 else f'*c{n - 1}'}]\n" for n in range(9)),
        "HOUSE: !!python/object/apply:os.system ['touch x']",
        "HOUSE: !!python/name:os.system",
        "{" * 3000,
        "- [" * 3000,
        "a: *b",
        "? [1]\n: 2",
        "\0",
        "12: 13",
    ],
)
def test_a_yaml_file_holds_a_mapping_or_is_refused_and_runs_nothing(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signs.yaml").write_text(content)
    with_sign_errors(read_mapping, tmp_path / "signs.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["signs.yaml"]


def test_a_billion_laughs_are_never_written_out(tmp_path: Path) -> None:
    """Aliases share what they stand for; a message shows the first of it."""
    lines = ["a0: &a0 [lol, lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    for name in ("handshapes.yaml", "places.yaml", "signs.yaml"):
        (tmp_path / name).write_text("\n".join(lines))
    with pytest.raises(SignError) as error:
        from models.lexicon.phonology_files import load_phonology

        load_phonology(tmp_path)
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize("text", ['=cmd|"/c calc"!A1', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_people_open_is_no_formula(text: str) -> None:
    assert plain_cell(text) == "'" + text
    assert plain_cell("HOUSE") == "HOUSE" and plain_cell("") == ""
