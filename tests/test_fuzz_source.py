"""What the source never does: unpickle, evaluate, start a shell, read YAML or archives that can do either."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "app.py", *sorted(path for part in ("models", "studio") for path in (ROOT / part).rglob("*.py"))]

NEVER = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler",
    "marshal.loads", "shelve.open", "joblib.load", "cloudpickle.loads", "dill.loads", "yaml.unsafe_load",
    "yaml.full_load", "yaml.load_all", "shutil.unpack_archive", "torch.jit.load", "torch.hub.load",
    "pandas.read_pickle",
}  # fmt: skip
HIDDEN = {"torch.load", "numpy.load", "yaml.load"}
# Ray hands its actors' results over as bytes. Both ends are this program, in one run on one cluster; whoever can send
# something to it can run programs on it anyway, and nothing of it is ever read from a file.
MAY = {("models/data/cluster.py", "pickle.loads")}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a file, by its dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def given(call: ast.Call) -> dict[str, str]:
    return {word.arg or "**": ast.unparse(word.value) for word in call.keywords}


def forbidden(source: str, place: str = "") -> list[str]:
    """The calls of a source that no file of ours may have."""
    wrong = []
    for name, call in calls(ast.parse(source)):
        words = given(call)
        bad = name in NEVER or name.endswith((".extractall", ".extract")) or "shell" in words
        bad |= name == "torch.load" and words.get("weights_only") != "True"
        bad |= name in ("np.load", "numpy.load") and words.get("allow_pickle") != "False"
        bad |= name == "yaml.load" and "_SAFE_LOADER" not in ast.unparse(call)
        bad |= words.get("trust_remote_code", "False") != "False"
        if bad and (place, name) not in MAY:
            wrong.append(f"{place}:{call.lineno}: {ast.unparse(call)[:80]}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):  # under a name of its own it would not be seen above
            wrong += [f"{place}: {one.name}" for one in node.names if f"{node.module}.{one.name}" in HIDDEN | NEVER]
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_of_ours_can_be_made_to_run_what_it_reads(path: Path) -> None:
    assert not forbidden(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))


@pytest.mark.parametrize(
    "source",
    [
        "pickle.loads(x)", "torch.load(x)", "torch.load(x, weights_only=False)", "np.load(x)", "yaml.load(x, y)",
        "np.load(x, allow_pickle=True)", "eval(x)", "subprocess.run(x, shell=True)", "archive.extractall(x)",
        "M.from_pretrained(x, trust_remote_code=True)", "from torch import load", "from pickle import loads as read",
    ],
)  # fmt: skip
def test_the_check_sees_what_it_looks_for(source: str) -> None:
    assert forbidden(source)


def test_published_weights_are_safetensors_and_local_wherever_they_are_loaded() -> None:
    """`from_pretrained` of a class that has weights takes safetensors only, and never asks the network."""
    no_weights = ("BertTokenizer", "CLIPImageProcessor", "BaseActionPipeline")
    own_check = ("OpenposeDetector",)  # models/pose/detectors.py reads its files with weights_only first
    found = 0
    for path in FILES:
        for name, call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            owner = name.removesuffix(".from_pretrained")
            if owner == name or owner in own_check:
                continue
            words, found = given(call), found + 1
            spread = words.get("**", "")
            if owner not in ("cls", *no_weights):
                assert words.get("use_safetensors") == "True" or spread in ("_LOCAL", "local"), (path.name, owner)
            if owner not in ("cls", "BaseActionPipeline"):
                assert words.get("local_files_only") == "True" or spread in ("_LOCAL", "local"), (path.name, owner)
    assert found >= 15
    for path in ("models/synthesis/published.py", "models/animation/diffusion/pipelines.py"):
        source = (ROOT / path).read_text(encoding="utf-8")
        assert '"local_files_only": True, "use_safetensors": True' in source


def test_ray_is_the_only_one_that_may_unpickle() -> None:
    """The exception is still needed, and its file reads nothing but what Ray hands over."""
    source = (ROOT / "models" / "data" / "cluster.py").read_text(encoding="utf-8")
    unpickled = [ast.unparse(call.args[0]) for name, call in calls(ast.parse(source)) if name == "pickle.loads"]
    assert unpickled == ["row['result']", "task"]
    assert not [
        name for name, _ in calls(ast.parse(source)) if name in ("open", "Path") or name.endswith(".read_bytes")
    ]
