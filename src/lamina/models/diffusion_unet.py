"""The U-Net of diffusion models: it is told how much noise there is, and says which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.base.errors import ShapeError
from lamina.tensor import Tensor


@dataclass(frozen=True)
class DiffusionUNetConfig:
    """Sizes, under the names of `diffusers`; the defaults are those of DDPM for CIFAR-10.

    `attention` says for each size of image whether there is attention after its residual blocks;
    without `attention_head_dim` it has one head. With `num_class_embeds` the network is told the
    class of each image, too.
    """

    in_channels: int = 3
    out_channels: int = 3
    block_out_channels: tuple[int, ...] = (128, 256, 256, 256)
    attention: tuple[bool, ...] = (False, True, False, False)
    layers_per_block: int = 2
    attention_head_dim: int | None = None
    norm_num_groups: int = 32
    norm_eps: float = 1e-6
    dropout: float = 0.0
    num_class_embeds: int | None = None


class TimestepEmbedding(nn.Module):
    """Sines and cosines of the step, then two linear layers.  Shapes: `steps: [B] -> [B, outputs]`.

    Source: Vaswani et al. 2017 for the sines, Ho, Jain and Abbeel 2020.
    """

    def __init__(self, width: int, outputs: int, dtype: Any):
        super().__init__()
        self.linear_1 = nn.Linear(width, outputs, dtype=dtype)
        self.linear_2 = nn.Linear(outputs, outputs, dtype=dtype)

    def forward(self, steps: Tensor) -> Tensor:
        dtype = self.linear_1.weight.dtype
        half = self.linear_1.in_features // 2
        slowness = lm.exp(lm.multiply(lm.arange(half, dtype=dtype), -math.log(1e4) / (half - 1)))
        angles = lm.multiply(lm.expand_dims(lm.astype(steps, dtype), axis=1), slowness)
        waves = lm.concat([lm.sin(angles), lm.cos(angles)], axis=1)
        return self.linear_2(functional.silu(self.linear_1(waves)))


class ResnetBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + linear(silu(time))))).

    Shapes: `x: [B, inputs, H, W], time: [B, 4 C] -> [B, outputs, H, W]`
    """

    def __init__(self, inputs: int, outputs: int, config: DiffusionUNetConfig, dtype: Any):
        super().__init__()
        self.norm1 = _norm(inputs, config, dtype)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, dtype=dtype)
        self.time_emb_proj = nn.Linear(_time_width(config), outputs, dtype=dtype)
        self.norm2 = _norm(outputs, config, dtype)
        self.dropout = nn.Dropout(config.dropout)
        self.conv2 = _silent(nn.Conv2d(outputs, outputs, 3, padding=1, dtype=dtype))
        same = inputs == outputs
        self.conv_shortcut = None if same else nn.Conv2d(inputs, outputs, 1, dtype=dtype)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y = self.conv1(functional.silu(self.norm1(x)))
        told = self.time_emb_proj(functional.silu(time))
        y = lm.add(y, lm.reshape(told, (*told.shape, 1, 1)))
        y = self.conv2(self.dropout(functional.silu(self.norm2(y))))
        return lm.add(x if self.conv_shortcut is None else self.conv_shortcut(x), y)


class ImageAttention(nn.Module):
    """x + attention of each point of an image to all points.  Shapes: `x: [B, C, H, W]`."""

    def __init__(self, width: int, config: DiffusionUNetConfig, dtype: Any):
        super().__init__()
        self.heads = width // (config.attention_head_dim or width)
        self.group_norm = _norm(width, config, dtype)
        self.to_q = nn.Linear(width, width, dtype=dtype)
        self.to_k = nn.Linear(width, width, dtype=dtype)
        self.to_v = nn.Linear(width, width, dtype=dtype)
        self.to_out = nn.Sequential(_silent(nn.Linear(width, width, dtype=dtype)))

    def forward(self, x: Tensor) -> Tensor:
        batch, width = x.shape[:2]
        y = lm.swapaxes(lm.reshape(self.group_norm(x), (batch, width, -1)), 1, 2)  # (B, T, C)
        q, k, v = (self._split(part(y)) for part in (self.to_q, self.to_k, self.to_v))
        y = functional.scaled_dot_product_attention(q, k, v)  # (B, heads, T, D)
        y = lm.reshape(lm.swapaxes(y, 1, 2), (batch, -1, width))
        return lm.add(x, lm.reshape(lm.swapaxes(self.to_out(y), 1, 2), x.shape))

    def _split(self, x: Tensor) -> Tensor:
        """Shapes: `[B, T, C] -> [B, heads, T, C / heads]`."""
        return lm.swapaxes(lm.reshape(x, (*x.shape[:2], self.heads, -1)), 1, 2)


class Resampler(nn.Module):
    """A 3 x 3 convolution that halves the image, or one of the image twice as large."""

    def __init__(self, width: int, halves: bool, dtype: Any):
        super().__init__()
        self.halves = halves
        options: Any = {"stride": 2} if halves else {"padding": 1}
        self.conv = nn.Conv2d(width, width, 3, **options, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        if self.halves:
            return self.conv(functional.pad(x, (0, 1, 0, 1)))
        return self.conv(functional.interpolate(x, scale_factor=2, mode="nearest"))


class Blocks(nn.Module):
    """Residual blocks at one size, with attention or without, on the way down or up.

    Args:
        pairs: channels before and after each block.
        attends: whether attention follows each of them.
        change: "halve" or "double" the image at the end, or "keep" it.
        config, dtype: of the network.
    """

    def __init__(
        self,
        pairs: list[tuple[int, int]],
        attends: bool,
        change: str,
        config: DiffusionUNetConfig,
        dtype: Any,
    ):
        super().__init__()
        width = pairs[-1][1]
        if attends:
            self.attentions = [ImageAttention(width, config, dtype) for _ in pairs]
        self.attends = attends
        self.resnets = [ResnetBlock(*pair, config, dtype) for pair in pairs]
        if change == "halve":
            self.downsamplers = [Resampler(width, True, dtype)]
        if change == "double":
            self.upsamplers = [Resampler(width, False, dtype)]
        self.change = change

    def down(self, x: Tensor, time: Tensor, seen: list[Tensor]) -> Tensor:
        """Each block and the halving; what they give is put into `seen`."""
        for i, block in enumerate(self.resnets):
            x = block(x, time)
            x = self.attentions[i](x) if self.attends else x
            seen.append(x)
        if self.change == "halve":
            x = self.downsamplers[0](x)
            seen.append(x)
        return x

    def up(self, x: Tensor, time: Tensor, seen: list[Tensor]) -> Tensor:
        """Each block, beside what `seen` has last, and the doubling."""
        for i, block in enumerate(self.resnets):
            x = block(lm.concat([x, seen.pop()], axis=1), time)
            x = self.attentions[i](x) if self.attends else x
        return self.upsamplers[0](x) if self.change == "double" else x


class Middle(nn.Module):
    """Two residual blocks with attention between them."""

    def __init__(self, width: int, config: DiffusionUNetConfig, dtype: Any):
        super().__init__()
        self.attentions = [ImageAttention(width, config, dtype)]
        self.resnets = [ResnetBlock(width, width, config, dtype) for _ in range(2)]

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        x = self.attentions[0](self.resnets[0](x, time))
        return self.resnets[1](x, time)


class DiffusionUNet(nn.Module):
    """What an image and the number of a step say about the noise in it.

    Args:
        config: sizes.
        dtype: of the parameters.

    Shapes: `x: [B, in_channels, H, W], steps: int[B], labels: int[B] -> [B, out_channels, H, W]`;
    names and shapes of parameters are those of `UNet2DModel` in `diffusers`.

    Raises:
        ShapeError: the sides cannot be halved so often.

    Example:
        >>> import lamina as lm
        >>> small = lm.models.DiffusionUNetConfig(1, 1, (4, 8), (False, True), norm_num_groups=2)
        >>> lm.models.DiffusionUNet(small)(lm.ones((2, 1, 8, 8)), [3, 7]).shape
        (2, 1, 8, 8)

    Source: Ho, Jain and Abbeel 2020, "Denoising diffusion probabilistic models", appendix B.
    """

    def __init__(self, config: DiffusionUNetConfig, dtype: Any = lm.float32):
        super().__init__()
        self.config = config
        widths, layers = config.block_out_channels, config.layers_per_block
        last = len(widths) - 1
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1, dtype=dtype)
        self.time_embedding = TimestepEmbedding(widths[0], _time_width(config), dtype)
        if config.num_class_embeds is not None:
            sizes = (config.num_class_embeds, _time_width(config))
            self.class_embedding = nn.Embedding(*sizes, dtype=dtype)
        kept, width = [widths[0]], widths[0]  # channels of what is seen on the way down
        self.down_blocks: list[Blocks] = []
        for i, wide in enumerate(widths):
            pairs = [(width, wide), *[(wide, wide)] * (layers - 1)]
            kept += [wide] * (layers + (i < last))
            change = "halve" if i < last else "keep"
            self.down_blocks.append(Blocks(pairs, config.attention[i], change, config, dtype))
            width = wide
        self.up_blocks: list[Blocks] = []
        for i in reversed(range(len(widths))):
            pairs = []
            for _ in range(layers + 1):
                pairs.append((width + kept.pop(), widths[i]))
                width = widths[i]
            change = "double" if i else "keep"
            self.up_blocks.append(Blocks(pairs, config.attention[i], change, config, dtype))
        self.mid_block = Middle(widths[-1], config, dtype)
        self.conv_norm_out = _norm(widths[0], config, dtype)
        out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1, dtype=dtype)
        self.conv_out = _silent(out)

    def forward(self, x: Tensor, steps: Any, labels: Any = None) -> Tensor:
        halvings = len(self.config.block_out_channels) - 1
        if any(side % 2**halvings for side in x.shape[2:]):
            raise ShapeError(
                "DiffusionUNet: the sides of an image are no multiple of 2 to the halvings",
                [f"x: {x.type}", f"halvings: {halvings}"],
            )
        time = self.time_embedding(lm.broadcast_to(lm.asarray(steps), x.shape[:1]))
        if labels is not None:
            time = lm.add(time, self.class_embedding(labels))
        x = self.conv_in(x)
        seen = [x]
        for blocks in self.down_blocks:
            x = blocks.down(x, time, seen)
        x = self.mid_block(x, time)
        for blocks in self.up_blocks:
            x = blocks.up(x, time, seen)
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


def _time_width(config: DiffusionUNetConfig) -> int:
    return 4 * config.block_out_channels[0]


def _norm(width: int, config: DiffusionUNetConfig, dtype: Any) -> nn.GroupNorm:
    return nn.GroupNorm(config.norm_num_groups, width, config.norm_eps, dtype=dtype)


def _silent(layer: Any) -> Any:
    """The layer with weights of 0, so that its branch says nothing at first, as in DDPM's code."""
    layer.weight = nn.init.zeros(layer.weight)
    layer.bias = nn.init.zeros(layer.bias)
    return layer
