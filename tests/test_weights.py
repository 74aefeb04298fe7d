"""Weights: found where they are, refused when they are none, and what to do said in a sentence. No network."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from models import weights
from models.errors import WeightsError


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights of the machine's own, and no network: looking must not need one."""
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def put(folder: Path, name: str, file: str = "diffusion_pytorch_model.safetensors") -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / file).write_bytes(b"0")
    return folder / name


def test_missing_weights_say_how_to_get_them_and_that_the_puppet_needs_none() -> None:
    with pytest.raises(WeightsError, match=r"signstudio weights pull taesd.*puppet engine needs none"):
        weights.find("taesd")
    assert not weights.here("taesd")
    with pytest.raises(WeightsError, match=r"signstudio weights pull resnet-50") as error:
        weights.find("resnet-50")
    assert "puppet" not in str(error.value), "it recognizes nothing"


def test_a_name_that_is_none_lists_those_that_are() -> None:
    with pytest.raises(WeightsError, match="controlnet-openpose"):
        weights.find("stable-diffusion-9")


def test_looking_never_uses_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("looked for weights on the network")

    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    assert not any(weights.here(name) for name in weights.TABLE)


def test_the_given_folder_wins_over_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, own = put(tmp_path / "given", "taesd"), put(tmp_path / "own", "taesd")
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "own"))
    assert weights.find("taesd") == own
    assert weights.find("taesd", tmp_path / "given") == given


def test_weights_in_the_hubs_cache_are_found(tmp_path: Path) -> None:
    entry = weights.TABLE["taesd"]
    repo = tmp_path / "cache" / f"models--{entry.hub_id.replace('/', '--')}"
    put(repo / "snapshots", "abc")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    assert weights.find("taesd") == repo / "snapshots" / "abc"


def test_pickles_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "taesd", "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match="run any program"):
        weights.find("taesd", tmp_path)


def test_an_empty_folder_is_no_weights(tmp_path: Path) -> None:
    (tmp_path / "taesd").mkdir()
    with pytest.raises(WeightsError, match="fetch it again"):
        weights.find("taesd", tmp_path)


def test_a_pull_without_network_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(WeightsError, match=r"hub cannot be reached.*puppet"):
        weights.pull("taesd", tmp_path)


def test_a_pull_onto_a_full_disk_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.snapshot_download", full)
    with pytest.raises(WeightsError, match="disk is full"):
        weights.pull("taesd", tmp_path)


def test_a_pull_into_a_folder_that_cannot_be_written_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("huggingface_hub.snapshot_download", forbidden)
    with pytest.raises(WeightsError, match="folder cannot be written; choose another") as error:
        weights.pull("resnet-50", tmp_path)
    assert "puppet" not in str(error.value), "it recognizes nothing"


def test_a_pull_fetches_only_what_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, object] = {}

    def fetch(hub_id: str, *, revision: str, allow_patterns: list[str], local_dir: Path) -> str:
        asked.update(hub_id=hub_id, revision=revision, patterns=allow_patterns)
        put(local_dir.parent, local_dir.name)
        return str(local_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert weights.pull("controlnet-openpose", tmp_path, "abc") == tmp_path / "controlnet-openpose"
    assert asked["hub_id"] == "lllyasviel/control_v11p_sd15_openpose"
    assert asked["revision"] == "abc"
    assert not any(pattern.endswith(("*", ".bin", ".ckpt")) for pattern in asked["patterns"])  # type: ignore[union-attr]


def test_every_entry_names_a_licence_and_fetches_safetensors() -> None:
    for name, entry in weights.TABLE.items():
        assert entry.name == name
        assert entry.licence
        assert any(pattern.endswith(".safetensors") for pattern in entry.files)
        assert not any(pattern.endswith((".bin", ".ckpt", ".pt")) for pattern in entry.files)
