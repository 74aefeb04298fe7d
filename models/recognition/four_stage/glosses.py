"""What a gloss means, as a vector: from BERT, or learned where its weights are not here.

BERT reads the gloss as the word that it is written with (THANK-YOU as "thank you"); the mean of its tokens' last
states is the vector. It is a label's meaning in English, not the sign's: see docs/four_stage.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor


def written(gloss: str) -> str:
    """The gloss as English: THANK-YOU is "thank you", BOOK-2 is "book"."""
    words = gloss.lower().replace("_", " ").replace("-", " ").split()
    kept = [word for word in words if not word.isdigit()]
    return " ".join(kept or words)


def bert_embeddings(glosses: Sequence[str], folder: Path, batch: int = 64) -> Tensor:
    """A vector (G, D) of each gloss. folder: weights and vocabulary of a BERT, as safetensors."""
    # Late: seconds.
    from transformers import BertModel, BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True)
    model = BertModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, add_pooling_layer=False
    ).eval()
    found = []
    with torch.inference_mode():
        for start in range(0, len(glosses), batch):
            tokens = tokenizer(
                [written(gloss) for gloss in glosses[start : start + batch]], return_tensors="pt", padding=True
            )
            states = model(**tokens).last_hidden_state
            inside = (tokens["attention_mask"] * (tokens["input_ids"] != tokenizer.cls_token_id)).unsqueeze(-1)
            inside = inside * (tokens["input_ids"] != tokenizer.sep_token_id).unsqueeze(-1)
            found.append((states * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1))
    return torch.cat(found).clone()
