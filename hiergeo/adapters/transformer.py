"""The text transformer of CLIP in plain torch: open_clip's names of weights, layer types, first weights and values.

Names, types and order of the layers are open_clip's, because checkpoints and the fingerprints of models depend on them.
"""

from collections import OrderedDict
from typing import NamedTuple, final

import torch
from torch import Tensor, nn


class Blocks(NamedTuple):
    """Sizes of a stack of transformer blocks.

    Attributes:
        width: of the residual stream.
        layers: number of blocks.
        heads: of the attention.
        hidden: width of the perceptrons.
        eps: of the LayerNorms.
        quick_gelu: whether the perceptrons have OpenAI's approximation of GELU.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    eps: float = 1e-5
    quick_gelu: bool = False

    def norm(self) -> nn.LayerNorm:
        """A LayerNorm of this width."""
        return nn.LayerNorm(self.width, eps=self.eps)


@final
class QuickGELU(nn.Module):
    """OpenAI's approximation of GELU, x sigmoid(1.702 x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


@final
class ResidualAttentionBlock(nn.Module):
    """Attention and a perceptron, each behind a LayerNorm and added to what it was given.

    The identities stand where other models of open_clip scale their branches.
    """

    def __init__(self, sizes: Blocks) -> None:
        super().__init__()
        self.ln_1 = sizes.norm()
        self.attn = nn.MultiheadAttention(sizes.width, sizes.heads, batch_first=True)
        self.ls_1 = nn.Identity()
        self.ln_2 = sizes.norm()
        layers = {
            "c_fc": nn.Linear(sizes.width, sizes.hidden),
            "gelu": QuickGELU() if sizes.quick_gelu else nn.GELU(),
            "c_proj": nn.Linear(sizes.hidden, sizes.width),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ls_2 = nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, length, width) -> the same shape; `mask` (length, length) is added to the scores of the attention."""
        seen = self.ln_1(x)
        x = x + self.attn(seen, seen, seen, need_weights=False, attn_mask=mask)[0]
        branch: Tensor = self.mlp(self.ln_2(x))
        return x + branch


@final
class Transformer(nn.Module):
    """A stack of blocks."""

    def __init__(self, sizes: Blocks) -> None:
        super().__init__()
        self.sizes = sizes
        self.resblocks = nn.ModuleList(ResidualAttentionBlock(sizes) for _ in range(sizes.layers))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, length, width) -> the same shape; `mask` is that of the blocks."""
        for block in self.resblocks:
            x = block(x, mask)
        return x

    @torch.no_grad()
    def start(self) -> None:
        """Draw the weights that text towers start from; biases and LayerNorms have those of torch already."""
        width = self.sizes.width
        leaving = width**-0.5 * (2 * self.sizes.layers) ** -0.5
        for block in self.resblocks:
            weights = dict(block.named_parameters())
            nn.init.normal_(weights["attn.in_proj_weight"], std=width**-0.5)
            nn.init.normal_(weights["attn.out_proj.weight"], std=leaving)
            nn.init.normal_(weights["mlp.c_fc.weight"], std=(2 * width) ** -0.5)
            nn.init.normal_(weights["mlp.c_proj.weight"], std=leaving)


class CausalText(nn.Module):
    """What reads tokens from left to right; a subclass makes the layers, in the order that its checkpoints have."""

    token_embedding: nn.Embedding
    positional_embedding: nn.Parameter
    transformer: Transformer
    ln_final: nn.LayerNorm
    attn_mask: Tensor

    def features(self, tokens: Tensor) -> Tensor:
        """(B, length) tokens -> (B, width), read at the token of the largest id, the end of the text."""
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        x = self.ln_final(self.transformer(x, self.attn_mask))
        return x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]


@final
class TextTransformer(CausalText):
    """A causal text tower without a projection.

    Args:
        sizes: of the blocks.
        context: positions.
        vocabulary: tokens.
    """

    def __init__(self, sizes: Blocks, context: int, vocabulary: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, sizes.width)
        self.positional_embedding = nn.Parameter(torch.empty(context, sizes.width))
        self.transformer = Transformer(sizes)
        self.ln_final = sizes.norm()
        self.register_buffer("attn_mask", causal_mask(context), persistent=False)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        self.transformer.start()

    def forward(self, tokens: Tensor) -> Tensor:
        """See `features`."""
        return self.features(tokens)


def causal_mask(length: int) -> Tensor:
    """(length, length): -inf above the diagonal, 0 elsewhere."""
    return torch.full((length, length), float("-inf")).triu(1)
