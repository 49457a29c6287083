"""Relevance of a film's places for one output of a transformer, through attention and skip connections.

What is computed is the rule for self-attention of Chefer, Gur and Wolf, "Generic Attention-model
Explainability", ICCV 2021 (arXiv:2103.15679), equations 5 and 6. For the logit z of one output and the
attention A (heads, tokens, tokens) of each layer, rows asking and columns answering:

    A' = mean over heads of max(dz/dA * A, 0)    elementwise; what spoke against the output is left out
    R  = R + A' R                                from the first layer to the last, beginning with the identity

The sum is the skip connection, which hands on what a token held before the layer. The map is the row of the
class token in the last R, over the places. The authors' earlier paper, "Transformer Interpretability Beyond
Attention Visualization", CVPR 2021 (arXiv:2012.09838), propagates in the same way, (1 + A') from layer to
layer, but weighs the gradient by a layer-wise relevance of A (deep Taylor decomposition) instead of by A
itself. The later rule is taken: it needs no rule of its own for each kind of layer, so that what it says
follows from the very forward pass that made the score, and autograd can check it. Neither follows the stem:
where a token is already a feature of a wide neighbourhood, as in `hybrid_vit` and `corpus_vit`, the map says
which tokens spoke, not which pixels.

The encoder is run again as a function of the net's weights, since its own attention is not handed out.
Nothing is hooked on the net or changed in it, and no gradient is kept, so that threads can share it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrtriage.nets import TransformerClassifier


def relevance(net: nn.Module, film: Tensor, output: int) -> np.ndarray:
    """Raw relevance for logit `output` of one film, (1, 1, size, size) float32, normalised for the net.

    The map is (rows, columns) float32 over the grid of the tokens, 0 or more, in the logit's own unit and
    not stretched, as `grad_cam` gives it: no evidence stays no evidence. Raises ValueError where the net is
    no transformer or is in training mode.
    """
    transformer = _need_transformer(net)
    with torch.no_grad():
        maps = transformer.forward_features(film)
    return relevance_through(transformer, maps, output)


def relevance_through(net: nn.Module, maps: list[Tensor], output: int) -> np.ndarray:
    """The same from `maps`, what `net.forward_features` gave for one film; the stem is not run again."""
    transformer = _need_transformer(net)
    with torch.inference_mode(False), torch.enable_grad():
        logits, attentions, grid = attended(transformer, maps)
        gradients = torch.autograd.grad(logits[0, output], attentions)
    # Only the class token's row of R is asked for, so it alone is carried, from the last layer to the first:
    # the same product, a vector times a matrix a layer.
    tokens = attentions[0].shape[-1]
    row = torch.zeros(tokens, dtype=attentions[0].dtype, device=attentions[0].device)
    row[0] = 1
    for attention, gradient in zip(reversed(attentions), reversed(gradients), strict=True):
        weighed = (gradient[0] * attention[0].detach()).clamp_min(0).mean(dim=0)
        row = row + row @ weighed
    map_: np.ndarray = row[1:].reshape(grid).float().cpu().numpy()
    return map_


def attended(net: TransformerClassifier, maps: list[Tensor]) -> tuple[Tensor, list[Tensor], tuple[int, int]]:
    """The net from its stem's maps on, once more: logits (films, outputs), the attention of each layer
    (films, heads, tokens, tokens), on which the logits depend, and the grid of the places.

    `maps` are what `net.forward_features` gave. The logits are the net's own but for rounding.
    """
    stem = [map_.detach() for map_ in maps[:-2]]
    with torch.no_grad():
        tokens, grid = net.first_tokens(stem)
    # A leaf of this call alone: the attention has a gradient also where the weights need none.
    tokens = tokens.clone().requires_grad_(True)
    attentions = []
    for block in net.encoder.layers:
        mixed, attention = _self_attention(block.self_attention, block.ln_1(tokens))
        tokens = tokens + block.dropout(mixed)
        tokens = tokens + block.mlp(block.ln_2(tokens))
        attentions.append(attention)
    return net.head(net.dropout(net.encoder.ln(tokens)[:, 0])), attentions, grid


def _self_attention(module: nn.MultiheadAttention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """What `module(tokens, tokens, tokens)` gives, and the attention of each head it gave it by.

    (films, tokens, width) -> the same, and (films, heads, tokens, tokens), whose rows sum to 1.
    """
    films, number, width = tokens.shape
    together = functional.linear(tokens, module.in_proj_weight, module.in_proj_bias)
    heads = together.view(films, number, 3, module.num_heads, width // module.num_heads)
    queries, keys, values = heads.permute(2, 0, 3, 1, 4)  # each (films, heads, tokens, width of a head)
    attention = (queries @ keys.transpose(-2, -1) * queries.shape[-1] ** -0.5).softmax(dim=-1)
    mixed = (attention @ values).transpose(1, 2).reshape(films, number, width)
    return module.out_proj(mixed), attention


def _need_transformer(net: nn.Module) -> TransformerClassifier:
    if not isinstance(net, TransformerClassifier):
        raise ValueError(f"relevance follows attention, which a {type(net).__name__} does not have")
    if net.training:
        raise ValueError("relevance needs a net in evaluation mode")
    return net
