"""The written lexicon: what it holds, how mistakes in it are reported, and that a body can make every sign."""

import shutil
from dataclasses import replace

import pytest

from models.errors import LexiconError
from models.lexicon.check import check_entry
from models.lexicon.phonology import ALTERNATING, BASE, BOTH, ONE, SYMMETRIC
from models.lexicon.phonology_files import EMBEDDED, load_phonology

LETTERS, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
GOOD = "{shape: B, palm: forward, fingers: up, at: neutral}"


@pytest.fixture(scope="module")
def lexicon():
    return load_phonology()


@pytest.fixture
def folder(tmp_path):
    for name in ("handshapes.yaml", "places.yaml"):
        shutil.copy(EMBEDDED / name, tmp_path)
    return tmp_path


def entries(folder, text):
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return load_phonology(folder)


def test_the_embedded_lexicon_has_the_alphabet_the_digits_and_at_least_120_signs(lexicon):
    assert set(LETTERS) | set(DIGITS) <= set(lexicon)
    assert len([gloss for gloss in lexicon if len(gloss) > 1]) >= 120
    assert {"HELLO", "MY", "NAME", "THANK-YOU", "YES", "NO"} <= set(lexicon)


def test_at_least_thirty_handshapes_are_used_and_all_kinds_of_two_handed_signs(lexicon):
    assert len({name for entry in lexicon.values() for name in entry.shapes}) >= 30
    assert {entry.hands for entry in lexicon.values()} == {ONE, SYMMETRIC, ALTERNATING, BASE, BOTH}


def test_every_entry_cites_a_reference_and_has_words(lexicon):
    assert all(entry.source and entry.words for entry in lexicon.values())


def test_a_body_can_make_every_sign(lexicon):
    assert [problem for entry in lexicon.values() for problem in check_entry(entry)] == []


def test_lengths_are_metres_and_angles_radians(lexicon):
    hello = lexicon["HELLO"]
    assert hello.steps[0].strong.line_m is not None
    assert sum(part**2 for part in hello.steps[0].strong.line_m) ** 0.5 == pytest.approx(0.15)
    assert max(abs(angle) for shape in lexicon.handshapes.values() for angle in shape.joints) < 2.2


def test_a_place_off_the_middle_exists_on_both_sides(lexicon):
    near, far = lexicon.places["shoulder_front"], lexicon.places["far_shoulder_front"]
    assert far.at == (-near.at[0], near.at[1], near.at[2])


def test_the_palm_is_turned_to_be_at_right_angles_to_the_fingers(folder):
    sign = entries(folder, f"X-SIGN:\n  strong: {GOOD.replace('forward', 'forward-down')}\n  source: me\n")["X-SIGN"]
    assert sign.strong.palm == pytest.approx((0, 0, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shape: Q9", ["strong.shape", "'Q9'", "flat-B"]),
        ("palm: sideways", ["strong.palm", "'sideways'", "forward"]),
        ("palm: up", ["strong.palm", "'up'", "across the fingers"]),
        ("at: chinn", ["strong.at", "'chinn'", "places.yaml"]),
        ("touch: elbow", ["strong.touch", "'elbow'", "palm"]),
        ("gap_cm: 400", ["strong.gap_cm", "400", "-3 to 40"]),
        ("colour: red", ["strong.colour", "'red'", "shape, palm"]),
        ("offset_cm: {sideways: 3}", ["strong.offset_cm.sideways", "up, down"]),
    ],
)
def test_a_mistake_is_reported_with_file_entry_key_value_and_what_is_allowed(folder, text, expected):
    key = text.split(":")[0]
    kept = [part for part in GOOD.strip("{}").split(", ") if not part.startswith(key)]
    with pytest.raises(LexiconError) as error:
        entries(folder, f"MY-SIGN:\n  strong: {{{', '.join([*kept, text])}}}\n  source: me\n")
    for part in ("mine.yaml", "MY-SIGN", *expected):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        ("jump: 3", "moves[1].jump"),
        ("line: {along: up}", "moves[1].line.cm"),
        ("circle: {towards: up, radius_cm: 3}", "moves[1].circle.then"),
        ("shake: {cm: 3}", "moves[1].shake"),
        ("tap: {cm: 3, times: 99}", "moves[1].tap.times"),
        ("palm: up", "palm and fingers together"),
        ("weak: {shape: B}", "hands: base or both"),
        ("pulse: {shape: nothing}", "moves[1].pulse.shape"),
        ("to: [chin]", "moves[1].to"),
    ],
)
def test_a_mistake_in_a_movement_names_the_movement(folder, move, expected):
    with pytest.raises(LexiconError) as error:
        entries(folder, f"MY-SIGN:\n  strong: {GOOD}\n  moves:\n    - {move}\n  source: me\n")
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"YES:\n  strong: {GOOD}\n  source: me\n", "quotes"),
        (f"lower:\n  strong: {GOOD}\n  source: me\n", "LOWER"),
        (f"MY-SIGN:\n  strong: {GOOD}\n", "source"),
        (f"MY-SIGN:\n  strong: {GOOD}\n  hands: base\n  source: me\n", "weak"),
        (f"MY-SIGN:\n  strong: {GOOD}\n  words: [yes]\n  source: me\n", "quotes"),
        (f"MY-SIGN:\n  strong: {GOOD}\n  brows: wild\n  source: me\n", "furrow"),
        (f"MY-SIGN:\n  strong: {GOOD}\n  hands: [both]\n  source: me\n", "alternating"),
        ("MY-SIGN: [1, 2]\n", "mapping"),
        ("- a list\n", "mapping"),
        ("MY-SIGN: {strong: [\n", "not valid YAML"),
    ],
)
def test_a_broken_file_is_refused_with_what_to_do(folder, text, expected):
    with pytest.raises(LexiconError, match=expected):
        entries(folder, text)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("handshapes.yaml", "shapes: {}\n", r"fingers is None.*mapping"),
        (
            "handshapes.yaml",
            "{fingers: {}, thumbs: {}, shapes: {X: {abduct_deg: [1, 2]}}}\n",
            r"X: abduct_deg.*4 numbers",
        ),
        ("handshapes.yaml", "{fingers: {a: 3}, thumbs: {}, shapes: {X: {all: a}}}\n", r"X: index is 'a'.*3 angles"),
        ("places.yaml", "head: {chin: {outside: forward}}\n", r"chin: at_cm is None.*3 numbers"),
        ("places.yaml", "head: [chin]\n", r"head is \['chin'\].*mapping"),
    ],
)
def test_a_mistake_in_the_vocabulary_names_the_entry_and_the_key(folder, file, text, expected):
    (folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(LexiconError, match=f"{file}: .*{expected}"):
        load_phonology(folder)


def test_hands_that_are_each_placed_on_the_other_are_refused(folder):
    strong, weak = (GOOD.replace("neutral", f"other.{part}") for part in ("palm", "back"))
    with pytest.raises(LexiconError, match=r"weak\.at"):
        entries(folder, f"MY-SIGN:\n  hands: base\n  strong: {strong}\n  weak: {weak}\n  source: me\n")


def test_the_same_gloss_in_two_files_is_refused(folder):
    (folder / "other.yaml").write_text(f"MY-SIGN:\n  strong: {GOOD}\n  source: me\n", encoding="utf-8")
    with pytest.raises(LexiconError, match="already"):
        entries(folder, f"MY-SIGN:\n  strong: {GOOD}\n  source: me\n")


def test_a_folder_without_handshapes_says_which_file_is_missing(tmp_path):
    with pytest.raises(LexiconError, match=r"handshapes\.yaml"):
        load_phonology(tmp_path)


@pytest.mark.parametrize(
    ("posture", "expected"),
    [
        ("{shape: B, palm: forward, fingers: up, at: far_ahead, offset_cm: {forward: 50}}", "out of reach by"),
        ("{shape: B, palm: down, fingers: back, at: neutral}", "wrist flexion"),
        ("{shape: B, palm: in, fingers: up-back, at: cheek, touch: palm, gap_cm: -3}", "into the head"),
        ("{shape: B, palm: back, fingers: in, at: chest, touch: back, gap_cm: -3}", "into the trunk"),
    ],
)
def test_a_sign_that_no_body_can_make_is_refused_with_its_name_and_the_reason(folder, posture, expected):
    sign = entries(folder, f"TWISTED:\n  strong: {posture}\n  source: me\n")["TWISTED"]
    problems = check_entry(sign)
    assert any(expected in problem for problem in problems)
    assert all(problem.startswith("TWISTED: ") for problem in problems)


def test_hands_that_go_through_each_other_are_refused(lexicon):
    spot = replace(lexicon["PERSON"].strong.spot, offset_m=(0.09, 0.06, 0.0))
    clash = replace(lexicon["PERSON"], strong=replace(lexicon["PERSON"].strong, spot=spot))
    assert any("through each other" in problem for problem in check_entry(clash))


def test_a_handshape_beyond_its_joints_is_refused_with_the_joint(lexicon):
    joints = list(lexicon["ME"].strong.shape.joints)
    joints[2] = 2.6  # index PIP
    broken = replace(lexicon["ME"].strong.shape, joints=tuple(joints))
    sign = replace(lexicon["ME"], strong=replace(lexicon["ME"].strong, shape=broken))
    assert any("index PIP" in problem for problem in check_entry(sign))
