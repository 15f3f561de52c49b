"""Tables of vectors: one for each number, or one for each bag of numbers."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError, UsageError
from lamina.nn.module import Module
from lamina.tensor import Tensor


class _Table(Module):
    """What both layers hold: the table, first drawn from N(0, 1), and how rows are kept short."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        dtype: Any,
    ):
        super().__init__()
        name = type(self).__name__
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise UsageError(
                f"{name}: padding_idx is not a row of the table",
                [f"padding_idx: {padding_idx}", f"num_embeddings: {num_embeddings}"],
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        weight = lm.random.normal((num_embeddings, embedding_dim), dtype=dtype)
        if self.padding_idx is not None:
            rows = lm.arange(num_embeddings).reshape((-1, 1))  # type: ignore[attr-defined]
            weight = lm.where(rows == self.padding_idx, 0.0, weight)
        self.weight = weight

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, **options: Any) -> Any:
        """A layer with the given table, which is not trained unless `freeze=False`.

        Args:
            embeddings: `[num_embeddings, embedding_dim]`.
            freeze: keep the table as it is.
            options: those of the layer.
        """
        table = lm.asarray(embeddings)
        if table.ndim != 2:
            raise ShapeError(
                f"{cls.__name__}: the table is not a matrix", [f"embeddings: {table.type}"]
            )
        rows, width = table.shape
        layer = cls(rows, width, dtype=table.dtype, **options)
        layer.weight = table
        return layer.freeze(freeze)

    def _shorten(self, input: Any) -> None:
        """Rows that are asked for and exceed `max_norm` stay shorter from now on."""
        if self.max_norm is not None:
            self.weight = functional.shortened_rows(
                self.weight, input, self.max_norm, self.norm_type
            )

    def _sizes(self) -> str:
        said = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, usual in (("padding_idx", None), ("max_norm", None), ("norm_type", 2.0)):
            value = getattr(self, name)
            said += "" if value == usual else f", {name}={value}"
        return said + (", scale_grad_by_freq=True" if self.scale_grad_by_freq else "")


class Embedding(_Table):
    """y[..., :] = weight[input[...], :]: a learned vector for each number.

    Args:
        num_embeddings: rows V of the table.
        embedding_dim: width D of a row.
        padding_idx: a row that begins as 0 and is not trained.
        max_norm: rows that are looked up and exceed it are scaled down to it, for good.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of a row by how often a batch asks for it.
        dtype: of the table.

    Shapes: `input: integers [*I] -> [*I, D]`; `weight: [V, D]`.

    Example:
        >>> import lamina as lm
        >>> lm.nn.Embedding(10, 3)(lm.asarray([[1, 2], [4, 9]])).shape
        (2, 2, 3)

    Source: PyTorch's names, shapes and initialisation.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        dtype: Any = lm.float32,
    ):
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        self._shorten(input)
        return functional.embedding(
            input,
            self.weight,
            self.padding_idx,
            scale_grad_by_freq=self.scale_grad_by_freq,
        )

    def extra_repr(self) -> str:
        return self._sizes()


class EmbeddingBag(_Table):
    """The sum, mean or maximum of the rows that a bag of numbers names.

    Args:
        num_embeddings: rows V of the table.
        embedding_dim: width D of a row.
        max_norm, norm_type, scale_grad_by_freq: as in `Embedding`.
        mode: "sum", "mean" or "max".
        include_last_offset: the last offset is where the last bag ends.
        padding_idx: a row that does not count.
        dtype: of the table.

    Shapes: `input: integers [B, N] -> [B, D]`, or `input: [N], offsets: [B] -> [B, D]`;
    `per_sample_weights` as the input; `weight: [V, D]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        dtype: Any = lm.float32,
    ):
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            dtype,
        )
        self.mode = mode
        self.include_last_offset = include_last_offset

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Any = None
    ) -> Tensor:
        self._shorten(input)
        return functional.embedding_bag(
            input,
            self.weight,
            offsets,
            scale_grad_by_freq=self.scale_grad_by_freq,
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )

    def extra_repr(self) -> str:
        return f"{self._sizes()}, mode={self.mode!r}"
