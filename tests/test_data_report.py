"""The report of a run over WLASL: every instance is accounted for, and the page tells it to everybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from models.data.download import source_name
from models.data.fates import FATES
from models.data.manifest import Manifest, Row, State
from models.data.report import gather, write_report
from models.data.report_tally import kind_of
from models.data.store import Store
from models.data.wlasl import SPLITS, Instance, Wlasl
from models.pages import STYLE
from models.video_write import write_video

FPS = 25.0


def instance(video_id: str, gloss: str = "HOUSE", split: str = "train", signer: str = "7", **values: Any) -> Instance:
    plain: dict[str, Any] = {
        "word": gloss.lower(),
        "url": f"http://host.example/{video_id}.mp4",
        "source": "toy",
        "box": None,
        "start_frame": 0,
        "end_frame": None,
        "fps": 25.0,
        "variation": 0,
    }
    return Instance(video_id=video_id, gloss=gloss, split=split, signer=signer, **{**plain, **values})  # type: ignore[arg-type]


def data(*instances: Instance, glosses: tuple[str, ...] = (), problems: tuple[str, ...] = ()) -> Wlasl:
    found = tuple(dict.fromkeys([*glosses, *(one.gloss for one in instances)]))
    return Wlasl(instances=instances, glosses=found, problems=problems)


class Run:
    """Fills a manifest as the pipeline does."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        manifest.note("options", {"json": "/a/list.json", "out": str(folder), "min_hands": 0.4, "anonymize": False})

    def downloaded(self, one: Instance, state: State = "done", words: str = "") -> None:
        self.manifest.put(Row(phase="download", item=source_name(one.url), state=state, words=words))

    def extracted(self, one: Instance, hands: float = 0.9, state: State = "done", words: str = "", **info: Any) -> None:
        about = {"gloss": one.gloss, "split": one.split, "signer": one.signer, "video_id": one.video_id}
        read = {"source": str(self.folder / "clip.mp4"), "from_store": False, "start_ms": 0, "end_ms": None}
        seen = {"hands": hands, "body": 1.0, "frames": 50, "fps": FPS, "crop": None, "notes": [], "quality": {}}
        full = {**about, **read, **seen, **info} if state == "done" else {}
        self.manifest.put(Row(phase="extract", item=one.item, state=state, words=words, info=full))

    def cleaned(self, one: Instance, state: State = "done", words: str = "", duration_ms: float = 1200) -> None:
        info = {"gloss": one.gloss, "split": one.split, "duration_ms": duration_ms} if state == "done" else {}
        self.manifest.put(Row(phase="clean", item=one.item, state=state, words=words, info=info))

    def kept(self, one: Instance, hands: float = 0.9, **info: Any) -> None:
        self.extracted(one, hands, **info)
        self.cleaned(one)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with begun(tmp_path / "out") as made:
        yield made


@contextmanager
def begun(folder: Path) -> Iterator[Run]:
    """A run in a folder with one clip."""
    folder.mkdir(parents=True)
    write_video(folder / "clip.mp4", [np.full((64, 96, 3), 8 * at, np.uint8) for at in range(30)], fps=FPS)
    with Manifest(folder, writing=True) as manifest:
        yield Run(folder, manifest)


def one_of_each(run: Run) -> Wlasl:
    """An instance for every fate, and what the report should call them."""
    kept, out, rejected, broken, unreached, dead, waiting, fetched = (
        instance(f"{number:05}", split="val" if number == 7 else "train") for number in range(8)
    )
    run.kept(kept)
    run.kept(out)
    run.manifest.note("excluded", [out.item])
    run.extracted(rejected, hands=0.2)
    run.cleaned(
        rejected, "rejected", "The leading hand was seen in 20% of the frames in which it signs, less than 40%."
    )
    run.extracted(broken, state="failed", words="00003.mp4: no frame could be decoded (3 packets in 99 bytes).")
    run.downloaded(unreached, "failed", "http://host.example/00004.mp4 did not answer in time.")
    run.downloaded(dead, "dead", "http://host.example/00005.mp4 is not there any more (HTTP 404).")
    run.downloaded(fetched)
    return data(kept, out, rejected, broken, unreached, dead, waiting, fetched)


# --- What is counted


def test_every_instance_has_one_fate(run: Run) -> None:
    report = gather(run.manifest, one_of_each(run))
    expected = {"kept": 1, "excluded": 1, "rejected": 1, "failed": 2, "dead": 1, "waiting": 2}
    assert {fate: report["all"][fate] for fate in FATES} == expected
    assert report["all"]["asked"] == sum(expected.values()) == 8
    assert report["all"]["found"] == 5  # 0, 1, 2, 3, and 7, which was downloaded and waits
    assert report["all"]["extracted"] == 3
    assert report["splits"]["val"]["waiting"] == report["splits"]["val"]["found"] == 1
    assert {one["item"][-1]: one["fate"] for one in report["lost"]} == dict(
        zip("1234567", ["excluded", "rejected", "failed", "failed", "dead", "waiting", "waiting"], strict=True)
    )


def test_glosses_and_splits_add_up_to_all(run: Run) -> None:
    report = gather(run.manifest, one_of_each(run))
    for name in ("asked", "found", "extracted", *FATES):
        assert sum(report["splits"][split][name] for split in SPLITS) == report["all"][name]
        by_gloss = [row["splits"][split][name] for row in report["glosses"] for split in SPLITS]
        assert sum(by_gloss) == report["all"][name]


def test_a_video_that_the_user_brought_is_found_whatever_its_link_says(run: Run, tmp_path: Path) -> None:
    one = instance("00042")
    run.downloaded(one, "dead", "gone")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "00042.mp4").write_bytes(b"a video")
    assert gather(run.manifest, data(one))["all"]["dead"] == 1
    found = gather(run.manifest, data(one), videos=tmp_path / "mine")["all"]
    assert (found["found"], found["dead"], found["waiting"]) == (1, 0, 1)


def test_a_pose_that_could_not_be_made_again_is_not_kept_by_its_older_clean_one(run: Run) -> None:
    one = instance("00001")
    run.kept(one)
    run.extracted(one, state="failed", words="the video is broken now")
    report = gather(run.manifest, data(one))
    assert (report["all"]["kept"], report["all"]["failed"]) == (0, 1)


def test_rows_of_instances_that_are_not_asked_for_do_not_count(run: Run) -> None:
    asked, other = instance("00001"), instance("00002")
    run.kept(asked)
    run.kept(other)
    assert gather(run.manifest, data(asked))["all"]["kept"] == 1


def test_signers_are_counted_once_and_only_where_they_are_known(run: Run) -> None:
    people = [("1", "train"), ("1", "train"), ("2", "train"), ("", "train"), ("2", "test"), ("3", "test")]
    clips = [instance(f"{at:05}", signer=signer, split=split) for at, (signer, split) in enumerate(people)]
    for one in clips[:-1]:
        run.kept(one)
    report = gather(run.manifest, data(*clips))
    assert (report["splits"]["train"]["signers"], report["splits"]["train"]["kept_signers"]) == (2, 2)
    assert (report["splits"]["test"]["signers"], report["splits"]["test"]["kept_signers"]) == (2, 1)
    assert (report["all"]["signers"], report["all"]["kept_signers"]) == (3, 2)
    assert report["glosses"][0]["kept_signers"] == 2


def test_glosses_without_a_training_example_are_named(run: Run) -> None:
    trained, tested, rejected = instance("1", "APPLE"), instance("2", "BOOK", "test"), instance("3", "CAT")
    run.kept(trained)
    run.kept(tested)
    run.extracted(rejected)
    run.cleaned(rejected, "rejected", "Not good enough.")
    report = gather(run.manifest, data(trained, tested, rejected, glosses=("APPLE", "NOBODY")))
    assert report["no_training"] == ["NOBODY", "BOOK", "CAT"]


def test_durations_rates_and_hands_are_those_worked_out_by_hand(run: Run) -> None:
    for at, (hands, frames, fps, duration_ms) in enumerate(
        [(1.0, 50, 25.0, 1000), (0.95, 60, 30.0, 499), (0.5, 25, 25.0, 99_000)]
    ):
        one = instance(f"{at:05}")
        run.extracted(one, hands, frames=frames, fps=fps)
        run.cleaned(one, duration_ms=duration_ms)
    low = instance("00009", split="test")
    run.extracted(low, 0.09, frames=10)
    run.cleaned(low, "rejected", "No.")
    report = gather(run.manifest, data(*(instance(f"{at:05}") for at in range(3)), low))
    train = report["durations"]["kept"]["train"]
    assert train == {"clips": 3, "shortest_ms": 499.0, "median_ms": 1000.0, "longest_ms": 99000.0, "total_ms": 100499.0}
    assert report["durations"]["extracted"]["train"]["median_ms"] == 2000.0
    assert report["durations"]["kept"]["test"]["clips"] == 0
    bins = report["durations"]["kept_bins"]
    assert (bins[0], bins[2], bins[-1], sum(bins)) == (1, 1, 1, 3)
    assert report["fps"] == {"25": 3, "30": 1}
    assert report["hands"]["kept"] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert report["hands"]["rejected"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_clips_and_signers_in_several_splits_are_told(run: Run) -> None:
    same = {"url": "http://host.example/same.mp4", "start_frame": 10, "end_frame": 40}
    clips = (
        instance("00001", split="test", signer="1", **same),
        instance("00002", split="train", signer="1", **same),
        instance("00003", split="train", signer="10"),
        instance("00004", split="val", signer="10"),
        instance("00005", split="val", signer="2"),
    )
    found = gather(run.manifest, data(*clips))["shared"]
    both = [{"item": "HOUSE-00002", "split": "train"}, {"item": "HOUSE-00001", "split": "test"}]
    assert found["clips"] == [both]
    assert found["signers"] == {"1": ["train", "test"], "10": ["train", "val"]}
    assert found["num_signers"] == 3


# --- Reasons


def test_reasons_of_a_kind_are_counted_together_and_keep_what_they_agree_in(run: Run) -> None:
    clips = [instance(f"{at:05}") for at in range(5)]
    for share, one in zip((12, 30, 39), clips, strict=False):
        run.extracted(one)
        run.cleaned(one, "rejected", f"The leading hand was seen in {share}% of its frames, less than 40%.")
    run.extracted(clips[3])
    run.cleaned(clips[3], "rejected", "The signing lasts 4 frames, fewer than 10.")
    first, second = gather(run.manifest, data(*clips))["reasons"]["rejected"]
    assert first["why"] == "The leading hand was seen in …% of its frames, less than 40%."
    assert (first["clips"], first["examples"]) == (3, ["HOUSE-00000", "HOUSE-00001", "HOUSE-00002"])
    assert (second["why"], second["clips"]) == ("The signing lasts 4 frames, fewer than 10.", 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("00001.mp4: no frame in 12 packets; use MP4 (H.264)", "00002.swf: no frame in 3 packets; use MP4 (H.264)"),
        ("http://a.example/x/1.mp4 is gone", "http://a.example/y.mp4?v=2 is gone"),
        ("HOUSE-1: the video ends at 2.5 s", "HOUSE-2: the video ends at 12 s"),
    ],
)
def test_sentences_that_differ_in_names_and_numbers_are_of_one_kind(one: str, other: str) -> None:
    assert kind_of(one, "HOUSE-1", "1")[0] == kind_of(other, "HOUSE-2", "2")[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example/1.mp4 is gone", "http://b.example/1.mp4 is gone"),
        ("The body was seen in 4%", "The hand was seen in 4%"),
        ("www.a.com: timed out", "www.b.com: timed out"),
    ],
)
def test_sentences_that_say_something_else_are_not(one: str, other: str) -> None:
    assert kind_of(one, "HOUSE-1", "1")[0] != kind_of(other, "HOUSE-1", "1")[0]


def test_what_was_noted_of_extracted_clips_is_told(run: Run) -> None:
    one = instance("00001")
    run.kept(one, notes=["The box was not used."])
    (note,) = gather(run.manifest, data(one))["reasons"]["notes"]
    assert note == {"why": "The box was not used.", "clips": 1, "examples": ["HOUSE-00001"]}


# --- What is written


def test_the_examples_are_the_weakest_kept_and_the_best_rejected(run: Run) -> None:
    clips = [instance(f"{at:05}") for at in range(60)]
    for at, one in enumerate(clips):
        run.extracted(one, hands=at / 60)
        run.cleaned(one, *(("rejected", "No.") if at < 30 else ("done", "")))
    found = gather(run.manifest, data(*reversed(clips)))["examples"]
    assert [one["item"][-2:] for one in found["kept"]] == [str(at) for at in range(30, 42)]
    assert [one["item"][-2:] for one in found["rejected"]] == [str(at) for at in range(29, 17, -1)]


def test_the_same_run_gives_the_same_bytes_wherever_it_is(tmp_path: Path) -> None:
    made = []
    for name, times in (("here", 2), ("there", 1)):
        with begun(tmp_path / name) as run:
            asked = one_of_each(run)
            for _ in range(times):
                page = write_report(run.manifest, Store(str(run.folder)), asked)
            files = sorted(path for path in page.parent.rglob("*") if path.is_file())
            made.append({path.relative_to(page.parent): path.read_bytes() for path in files})
    assert made[0] == made[1]
    assert sorted(path.suffix for path in made[0]) == [".html", ".jpg", ".jpg", ".json"]
    for content in made[0].values():
        assert b"list.json" not in content and bytes(tmp_path) not in content


def test_json_holds_what_was_gathered_and_where_the_pictures_are(run: Run) -> None:
    asked = one_of_each(run)
    page = write_report(run.manifest, Store(str(run.folder)), asked)
    report = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    gathered = gather(run.manifest, asked)
    assert {**report, "examples": 0} == {**json.loads(json.dumps(gathered)), "examples": 0}
    (kept,) = report["examples"]["kept"]
    assert (page.parent / kept["thumb"]).read_bytes().startswith(b"\xff\xd8")


def test_pictures_of_earlier_reports_go_and_a_video_that_is_gone_is_told(run: Run) -> None:
    one = instance("00001")
    run.kept(one)
    page = write_report(run.manifest, Store(str(run.folder)), data(one))
    assert len(list((page.parent / "thumbs").iterdir())) == 1
    (run.folder / "clip.mp4").unlink()
    run.kept(one, start_ms=40)
    write_report(run.manifest, Store(str(run.folder)), data(one))
    assert not list((page.parent / "thumbs").iterdir())
    assert "No picture: clip.mp4" in page.read_text(encoding="utf-8")


def test_a_run_with_anonymous_signers_has_no_pictures_of_them(run: Run) -> None:
    one = instance("00001")
    run.kept(one)
    page = write_report(run.manifest, Store(str(run.folder)), data(one))
    run.manifest.note("options", {"anonymize": True})
    write_report(run.manifest, Store(str(run.folder)), data(one))
    assert not list(page.parent.rglob("*.jpg"))
    text = page.read_text(encoding="utf-8")
    assert "HOUSE-00001" in text and "thumbs/" not in text


def test_a_run_that_has_only_begun_has_a_report_too(run: Run) -> None:
    page = write_report(run.manifest, Store(str(run.folder)), data(instance("00001"), glosses=("APPLE",)))
    text = page.read_text(encoding="utf-8")
    assert "0 of 1 instance kept" in text
    assert "1 instance is still to do" in text
    assert "No clip has a pose yet." in text


# --- The page


class Outline(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture
def page(run: Run) -> Path:
    asked = one_of_each(run)
    rude = instance("00009", signer='<b onclick="x">&')
    run.extracted(rude, hands=0.45, notes=["<script>alert(1)</script>"])
    run.cleaned(rude, "rejected", 'It\'s <i>bad</i> & "ugly".')
    everything = data(*asked.instances, rude, problems=("line 3: <img src=x> is no instance.",))
    return write_report(run.manifest, Store(str(run.folder)), everything)


def test_the_page_is_well_formed_and_shows_text_of_the_data_as_text(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    outline = Outline(text)
    assert not {"script", "b", "i", "iframe", "form"} & {tag for tag, _ in outline.tags}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;i&gt;bad&lt;/i&gt; &amp; &quot;ugly&quot;" in text
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]


def test_tables_have_captions_and_heads_and_pictures_have_words(page: Path) -> None:
    outline = Outline(page.read_text(encoding="utf-8"))
    assert outline.count("table") == outline.count("caption") == outline.count("thead") > 8
    assert all(attributes.get("scope") for tag, attributes in outline.tags if tag == "th")
    pictures = [attributes for tag, attributes in outline.tags if tag == "img"]
    assert len(pictures) == 3 + 3  # kept, two rejected; three figures
    assert all(len(attributes.get("alt") or "") > 10 for attributes in pictures)
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_asks_for_nothing_but_its_pictures(page: Path) -> None:
    outline = Outline(page.read_text(encoding="utf-8"))
    asked = [attributes[name] or "" for _, attributes in outline.tags for name in ("src", "href") if name in attributes]
    assert asked
    assert all(re.match(r"thumbs/[\w-]+\.jpg$|data:image/svg\+xml;base64,|#\w+$", one) for one in asked)
    ids = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    assert {one[1:] for one in asked if one.startswith("#")} <= ids


def luminance(colour: str) -> float:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_their_ground(scheme: int) -> None:
    parts = STYLE.split("@media (prefers-color-scheme: dark)")[:2]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", parts[scheme]))
    pairs = [(words, ground) for words in ("ink", "soft", "link") for ground in ("paper", "card")]
    for words, ground in [*pairs, ("note-ink", "note"), ("link", "note")]:
        light, dark = sorted((luminance(colours[words]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (words, ground)


@pytest.mark.browser
def test_the_page_opens_from_its_file_on_a_phone_with_all_its_pictures(page: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 700}, java_script_enabled=True)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.goto(page.as_uri())
    opened.evaluate("for (const one of document.images) one.loading = 'eager'")
    opened.wait_for_function("[...document.images].every(one => one.complete && one.naturalWidth)")
    assert opened.evaluate("document.images.length") == 6
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    assert not complaints
    context.close()
