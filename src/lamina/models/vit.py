"""Vision transformer: an image as a sequence of patches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import lamina.tensor as lm
from lamina import nn
from lamina.base.errors import ShapeError
from lamina.tensor import Tensor


@dataclass(frozen=True)
class ViTConfig:
    """Sizes, under the names of `torchvision`; the defaults are those of ViT-B/16."""

    image_size: int = 224
    patch_size: int = 16
    num_layers: int = 12
    num_heads: int = 12
    hidden_dim: int = 768
    mlp_dim: int = 3072
    dropout: float = 0.0
    attention_dropout: float = 0.0
    num_classes: int = 1000
    layer_norm_eps: float = 1e-6


class ViTBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)).  Shapes: `x: [B, T, C]`, unchanged."""

    def __init__(self, config: ViTConfig, dtype: Any):
        super().__init__()
        width, eps = config.hidden_dim, config.layer_norm_eps
        self.ln_1 = nn.LayerNorm(width, eps, dtype=dtype)
        self.self_attention = nn.MultiheadAttention(
            width, config.num_heads, config.attention_dropout, batch_first=True, dtype=dtype
        )
        self.dropout = nn.Dropout(config.dropout)
        self.ln_2 = nn.LayerNorm(width, eps, dtype=dtype)
        self.mlp = nn.Sequential(
            _linear(width, config.mlp_dim, dtype),
            nn.GELU(),
            nn.Dropout(config.dropout),
            _linear(config.mlp_dim, width, dtype),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        y, _ = self.self_attention(y, y, y, need_weights=False)
        x = lm.add(x, self.dropout(y))
        return lm.add(x, self.mlp(self.ln_2(x)))


class ViTEncoder(nn.Module):
    """Positions and blocks.  Shapes: `x: [B, T, C]`, unchanged."""

    def __init__(self, config: ViTConfig, places: int, dtype: Any):
        super().__init__()
        self.pos_embedding = lm.random.normal((1, places, config.hidden_dim), std=0.02, dtype=dtype)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.Sequential(
            {f"encoder_layer_{i}": ViTBlock(config, dtype) for i in range(config.num_layers)}
        )
        self.ln = nn.LayerNorm(config.hidden_dim, config.layer_norm_eps, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(lm.add(x, self.pos_embedding))))


class ViT(nn.Module):
    """A classifier of images.

    Args:
        config: sizes.
        dtype: of the parameters.

    Shapes: `x: [B, 3, image_size, image_size] -> [B, num_classes]`; names and shapes of parameters
    are those of `torchvision`.

    Raises:
        ShapeError: the images have another size, or are no whole number of patches.

    Example:
        >>> import lamina as lm
        >>> small = lm.models.ViTConfig(8, 4, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16,
        ...                             num_classes=3)
        >>> lm.models.ViT(small)(lm.ones((1, 3, 8, 8))).shape
        (1, 3)

    Source: Dosovitskiy et al. 2021, "An image is worth 16x16 words".
    """

    def __init__(self, config: ViTConfig, dtype: Any = lm.float32):
        super().__init__()
        self.config = config
        width, patch = config.hidden_dim, config.patch_size
        if config.image_size % patch:
            raise ShapeError(
                "ViT: an image is no whole number of patches",
                [f"image_size: {config.image_size}", f"patch_size: {patch}"],
            )
        self.class_token = lm.zeros((1, 1, width), dtype=dtype)
        self.conv_proj = nn.Conv2d(3, width, patch, stride=patch, dtype=dtype)
        self.conv_proj.weight = nn.init.trunc_normal(
            self.conv_proj.weight, std=math.sqrt(1 / (3 * patch * patch))
        )
        self.conv_proj.bias = nn.init.zeros((width,), dtype=dtype)
        places = (config.image_size // patch) ** 2 + 1
        self.encoder = ViTEncoder(config, places, dtype)
        head = nn.Linear(width, config.num_classes, dtype=dtype)
        head.weight = nn.init.zeros(head.weight)
        head.bias = nn.init.zeros((config.num_classes,), dtype=dtype)
        self.heads = nn.Sequential({"head": head})

    def forward(self, x: Tensor) -> Tensor:
        size = self.config.image_size
        if x.shape[2:] != (size, size):
            raise ShapeError(
                "ViT: the images have another size than the model is made for",
                [f"x: {x.type}", f"image_size: {size}"],
            )
        x = self.conv_proj(x)  # (B, C, H/P, W/P)
        batch, width = x.shape[:2]
        x = lm.swapaxes(lm.reshape(x, (batch, width, -1)), 1, 2)  # (B, patches, C)
        first = lm.broadcast_to(self.class_token, (batch, 1, width))
        x = self.encoder(lm.concat([first, x], axis=1))
        return self.heads(x[:, 0])


def _linear(inputs: int, outputs: int, dtype: Any) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, dtype=dtype)
    layer.weight = nn.init.xavier_uniform(layer.weight)
    layer.bias = nn.init.normal((outputs,), std=1e-6, dtype=dtype)
    return layer
