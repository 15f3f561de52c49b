"""Layers that make images of other sizes."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import functional
from lamina.functional.resampling import Factors
from lamina.nn.module import Module
from lamina.tensor import Tensor


class Upsampling(Module):
    """What Upsample and its special cases share; not a layer by itself."""

    def __init__(
        self,
        size: int | Sequence[int] | None,
        scale_factor: Factors | None,
        mode: str,
        align_corners: bool | None,
        recompute_scale_factor: bool | None,
    ):
        super().__init__()
        self.size = tuple(size) if isinstance(size, Sequence) else size
        many = isinstance(scale_factor, Sequence)
        self.scale_factor = tuple(scale_factor) if many else scale_factor  # type: ignore[arg-type]
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(
            x,
            self.size,
            self.scale_factor,  # type: ignore[arg-type]
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        if self.scale_factor is None:
            return f"size={self.size}, mode={self.mode!r}"
        many = isinstance(self.scale_factor, tuple)
        scale = self.scale_factor if many else float(self.scale_factor)  # type: ignore[arg-type]
        return f"scale_factor={scale}, mode={self.mode!r}"


class Upsample(Upsampling):
    """Signals, images or volumes of another size, as `functional.interpolate` makes them.

    Args:
        size: of the result, one number or one for each axis.
        scale_factor: how many times as large; instead of `size`.
        mode: "nearest", "linear", "bilinear", "trilinear", "bicubic" and so on.
        align_corners: whether the first and last elements keep their places.
        recompute_scale_factor: step by the ratio of whole sizes.

    Shapes: `x: [B, C, *A] -> [B, C, *size]`

    Source: PyTorch, `nn.Upsample`.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: Factors | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__(size, scale_factor, mode, align_corners, recompute_scale_factor)


class UpsamplingNearest2d(Upsampling):
    """Larger images of repeated pixels.

    Shapes: `x: [B, C, H, W] -> [B, C, *size]`

    Source: PyTorch, `nn.UpsamplingNearest2d`.
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: Factors | None = None
    ):
        super().__init__(size, scale_factor, "nearest", None, None)


class UpsamplingBilinear2d(Upsampling):
    """Larger images by linear interpolation along both axes, with corners that keep their places.

    Shapes: `x: [B, C, H, W] -> [B, C, *size]`

    Source: PyTorch, `nn.UpsamplingBilinear2d`.
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: Factors | None = None
    ):
        super().__init__(size, scale_factor, "bilinear", True, None)
