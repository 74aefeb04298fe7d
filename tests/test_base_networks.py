"""The small codec and the small encoder, which are made where no published weights are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from base_toy import CONFIG
from torch import Tensor

from models.synthesis.codec import PatchCodec, decode, encode, fitted_codec, load_codec
from models.synthesis.encoder import SmallEncoder, train_encoder
from models.synthesis.features import embed, embed_all, load_encoder, mark, motion_of
from models.synthesis.network import MotionEmbedding
from models.synthesis.prepared import recoloured, relit

FEW = replace(CONFIG, latents=6, patch=8)


def waves(count: int, generator: torch.Generator) -> Tensor:
    """Pictures of six numbers each: two waves in each colour."""
    at = torch.arange(64) / 8 * torch.pi
    shapes = torch.stack([at.cos()[:, None].expand(64, 64), at.sin()[None].expand(64, 64)])
    sizes = torch.rand((count, 3, 2), generator=generator) - 0.5
    return torch.einsum("ncs,shw->nchw", sizes, shapes) / 2 + 0.5


def spots(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A bright spot; where it is; a second landmark that nobody knows."""
    places = 0.2 + 0.6 * torch.rand((count, 1, 2), generator=generator)
    at = (torch.arange(64) + 0.5) / 64
    distance = (at[None, None, :] - places[..., :1]) ** 2 + (at[None, :, None] - places[..., 1:]) ** 2
    pictures = (-distance * 300).exp()[:, None].expand(-1, 3, -1, -1)
    known = torch.tensor([[True, False]]).expand(count, -1)
    return pictures, torch.cat([places, torch.full_like(places, 9.0)], dim=1), known


def test_the_codec_keeps_what_pictures_have_in_common(tmp_path: Path) -> None:
    codec = fitted_codec(FEW, waves)
    seen = waves(8, torch.Generator().manual_seed(9))
    coded = encode(codec, seen)
    assert coded.shape == (8, 6, 8, 8)
    assert float(coded.std()) == pytest.approx(1, abs=0.1)
    assert torch.allclose(decode(codec, coded), seen, atol=1e-3)
    noise = torch.rand((2, 3, 64, 64))
    assert (decode(codec, encode(codec, noise)) - noise).abs().mean() > 0.1
    codec.save_pretrained(tmp_path)
    back = load_codec(tmp_path)
    assert isinstance(back, PatchCodec)
    assert torch.equal(encode(back, seen), coded)


def test_an_autoencoder_of_diffusers_is_loaded_and_used_alike(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    AutoencoderKL(block_out_channels=(8,), norm_num_groups=8, latent_channels=4).save_pretrained(tmp_path)
    vae = load_codec(tmp_path)
    assert isinstance(vae, AutoencoderKL)
    pictures = torch.rand((3, 3, 16, 16))
    assert decode(vae, encode(vae, pictures, chunk=2), chunk=2).shape == pictures.shape


@pytest.mark.slow
def test_the_encoder_learns_where_landmarks_are_and_no_more_than_is_known(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = train_encoder(
        replace(FEW, encoder_steps=40, encoder_width=16), spots, spots, lambda done, of: told.append((done, of))
    )
    assert told[-1] == (40, 40)
    pictures, places, _ = spots(200, torch.Generator().manual_seed(5))
    found = embed(made, pictures)
    assert torch.allclose(found.norm(dim=-1), torch.full((200,), 4.0))
    given = torch.cat([found, torch.ones(200, 1)], dim=1)
    fit = torch.linalg.lstsq(given[:150], places[:150, 0]).solution
    wrong = (given[150:] @ fit - places[150:, 0]).norm(dim=-1).mean()
    assert wrong < 0.5 * (places[150:, 0] - places[:150, 0].mean(dim=0)).norm(dim=-1).mean()
    made.save_pretrained(tmp_path)
    assert isinstance(load_encoder(tmp_path), SmallEncoder)
    assert torch.allclose(embed(load_encoder(tmp_path), pictures[:3]), found[:3], atol=1e-5)


def test_clip_is_loaded_and_used_alike(tmp_path: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=12,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    found = embed_all(load_encoder(tmp_path), torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8))
    assert found.shape == (5, 12)
    assert torch.allclose(found.norm(dim=-1), torch.full((5,), 12**0.5), atol=1e-4)


def test_embeddings_are_kept_by_content_and_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = SmallEncoder(projection_dim=8)
    views = tuple(torch.randint(0, 256, (3, 4, 64, 64), dtype=torch.uint8) for _ in range(3))
    made = motion_of(encoder, views, tmp_path)  # type: ignore[arg-type]
    assert made.shape == (4, 3, 8)
    (kept,) = tmp_path.iterdir()
    before = kept.stat().st_mtime_ns
    assert torch.equal(motion_of(None, views, tmp_path), made)  # type: ignore[arg-type]  # without looking again
    assert kept.stat().st_mtime_ns == before
    changed = (views[0].clone(), *views[1:])
    changed[0][0, 0, 0, 0] ^= 1
    motion_of(encoder, changed, tmp_path)  # type: ignore[arg-type]
    assert len(list(tmp_path.iterdir())) == 2
    for name in ("one", "other"):
        SmallEncoder(projection_dim=8).save_pretrained(tmp_path / name)
    assert mark(tmp_path / "one") != mark(tmp_path / "other")
    assert mark(tmp_path / "one") == mark(tmp_path / "one")


def test_other_colours_change_no_shape_and_a_clip_alike() -> None:
    picture = torch.rand((1, 3, 8, 8)).expand(5, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    alike, each = relit(picture, generator), recoloured(picture, generator)
    assert torch.equal(alike[0], alike[4])
    assert not torch.equal(each[0], each[1])
    assert alike.min() >= 0 and alike.max() <= 1
    assert not torch.equal(alike, relit(picture, generator))
    for channel in each[0]:  # each is one of the old ones, up to gain and offset
        likeness = [torch.corrcoef(torch.stack([channel.flatten(), old.flatten()]))[0, 1] for old in picture[0]]
        assert max(likeness) > 0.99


def test_what_all_embeddings_have_in_common_is_taken_away() -> None:
    torch.manual_seed(0)
    motion = 5 + 0.01 * torch.randn(20, 10, 3, 8)
    seen = torch.ones((20, 10, 3), dtype=torch.bool)
    seen[:, :, 2] = False
    made = MotionEmbedding(replace(CONFIG, tokens=16), 8, 16)
    made.fit(motion, seen)
    assert torch.allclose(made.centre[:2], torch.full((2, 8), 5.0), atol=0.01)
    assert torch.equal(made.centre[2], torch.zeros(8))
    spread = made(motion, seen)[0].detach().std(dim=(0, 1)).mean()
    assert spread > 0.1
    assert set(made.state_dict()) >= {"centre", "spread"}
