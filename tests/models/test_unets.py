"""U-Nets, for classes of points and for diffusion, beside the same networks in PyTorch."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, models
from tests.models.peers import close, falls, same_gradients, stirred, torchvision_models
from tests.nn.test_errors import message

RNG = np.random.default_rng(0)
SMALL = models.DiffusionUNetConfig(
    2, 2, (4, 8), (False, True), attention_head_dim=4, norm_num_groups=2, num_class_embeds=3
)
ONE_HEAD = models.DiffusionUNetConfig(
    1, 1, (4, 6), (True, False), layers_per_block=1, norm_num_groups=2
)


def torch_nn() -> Any:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    torch.manual_seed(0)
    return torch.nn


def torch_unet(classes: int, width: int, depth: int) -> Any:
    """Under the names of Pytorch-UNet."""
    nn = torch_nn()
    import torch

    def double(inputs: int, outputs: int) -> Any:
        parts: list[Any] = []
        for a, b in ((inputs, outputs), (outputs, outputs)):
            parts += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        return nn.Sequential(*parts)

    class UNet(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inc = nn.ModuleDict({"double_conv": double(1, width)})
            for i in range(depth):
                c = width * 2**i
                inner = nn.ModuleDict({"double_conv": double(c, 2 * c)})
                down = nn.ModuleDict({"maxpool_conv": nn.ModuleList([nn.MaxPool2d(2), inner])})
                self.add_module(f"down{i + 1}", down)
            for i in range(depth):
                c = width * 2 ** (depth - i)
                up = nn.ConvTranspose2d(c, c // 2, 2, stride=2)
                inner = nn.ModuleDict({"double_conv": double(c, c // 2)})
                self.add_module(f"up{i + 1}", nn.ModuleDict({"up": up, "conv": inner}))
            self.outc = nn.ModuleDict({"conv": nn.Conv2d(width, classes, 1)})

        def forward(self, x: Any) -> Any:
            seen = [self.inc["double_conv"](x)]
            for i in range(depth):
                pool, inner = getattr(self, f"down{i + 1}")["maxpool_conv"]
                seen.append(inner["double_conv"](pool(seen[-1])))
            x = seen.pop()
            for i in range(depth):
                up, near = getattr(self, f"up{i + 1}"), seen.pop()
                x = up["up"](x)
                gaps = near.shape[3] - x.shape[3], near.shape[2] - x.shape[2]
                x = nn.functional.pad(x, (0, gaps[0], 0, gaps[1]))
                x = up["conv"]["double_conv"](torch.cat([near, x], 1))
            return self.outc["conv"](x)

    return stirred(UNet())


def test_a_unet() -> None:
    theirs = torch_unet(3, 2, 2)
    ours = models.UNet(1, 3, 2, 2, dtype=lm.float64)
    images, labels = RNG.standard_normal((2, 1, 5, 10)), RNG.integers(0, 3, (2, 5, 10))
    import torch

    assert list(ours.state_dict()) == list(theirs.state_dict())
    same_gradients(
        ours.eval(),
        theirs,
        lambda net: functional.cross_entropy(net(lm.asarray(images)), labels),
        lambda net: torch.nn.functional.cross_entropy(
            net(torch.tensor(images)), torch.tensor(labels)
        ),
        eager=False,
    )
    close(ours(lm.asarray(images)), theirs(torch.tensor(images)))


class TorchDiffusionUNet:
    """The network of Ho et al. by formulas, from a state under the names of `diffusers`."""

    def __init__(self, config: models.DiffusionUNetConfig, state: dict[str, Any]):
        import torch

        self.config, self.state, self.torch = config, state, torch
        self.F = torch.nn.functional

    def linear(self, name: str, x: Any) -> Any:
        return self.F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def conv(self, name: str, x: Any, **options: Any) -> Any:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return self.F.conv2d(x, weight, bias, **options)

    def norm(self, name: str, x: Any) -> Any:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return self.F.group_norm(x, self.config.norm_num_groups, weight, bias, self.config.norm_eps)

    def resnet(self, at: str, x: Any, time: Any) -> Any:
        silu = self.F.silu
        y = self.conv(f"{at}.conv1", silu(self.norm(f"{at}.norm1", x)), padding=1)
        y = y + self.linear(f"{at}.time_emb_proj", silu(time))[:, :, None, None]
        y = self.conv(f"{at}.conv2", silu(self.norm(f"{at}.norm2", y)), padding=1)
        short = f"{at}.conv_shortcut"
        return y + (self.conv(short, x) if f"{short}.weight" in self.state else x)

    def attention(self, at: str, x: Any) -> Any:
        batch, width, rows, columns = x.shape
        size = self.config.attention_head_dim or width
        y = self.norm(f"{at}.group_norm", x).flatten(2).transpose(1, 2)
        q, k, v = (
            self.linear(f"{at}.to_{n}", y).unflatten(2, (-1, size)).transpose(1, 2) for n in "qkv"
        )
        p = self.torch.softmax(q @ k.transpose(2, 3) / math.sqrt(size), -1)
        y = self.linear(f"{at}.to_out.0", (p @ v).transpose(1, 2).flatten(2))
        return x + y.transpose(1, 2).reshape(batch, width, rows, columns)

    def __call__(self, x: Any, steps: Any, labels: Any = None) -> Any:
        torch, config = self.torch, self.config
        half = config.block_out_channels[0] // 2
        wave = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / (half - 1))
        angles = steps[:, None] * wave
        time = self.linear("time_embedding.linear_1", torch.cat([angles.sin(), angles.cos()], 1))
        time = self.linear("time_embedding.linear_2", self.F.silu(time))
        if labels is not None:
            time = time + self.state["class_embedding.weight"][labels]
        x = self.conv("conv_in", x, padding=1)
        seen, last = [x], len(config.block_out_channels) - 1
        for i, attends in enumerate(config.attention):
            for k in range(config.layers_per_block):
                x = self.resnet(f"down_blocks.{i}.resnets.{k}", x, time)
                x = self.attention(f"down_blocks.{i}.attentions.{k}", x) if attends else x
                seen.append(x)
            if i < last:
                at = f"down_blocks.{i}.downsamplers.0.conv"
                x = self.conv(at, self.F.pad(x, (0, 1, 0, 1)), stride=2)
                seen.append(x)
        x = self.resnet("mid_block.resnets.0", x, time)
        x = self.resnet("mid_block.resnets.1", self.attention("mid_block.attentions.0", x), time)
        for i, attends in enumerate(reversed(config.attention)):
            for k in range(config.layers_per_block + 1):
                x = torch.cat([x, seen.pop()], 1)
                x = self.resnet(f"up_blocks.{i}.resnets.{k}", x, time)
                x = self.attention(f"up_blocks.{i}.attentions.{k}", x) if attends else x
            if i < last:
                x = self.F.interpolate(x, scale_factor=2.0)
                x = self.conv(f"up_blocks.{i}.upsamplers.0.conv", x, padding=1)
        assert not seen
        return self.conv("conv_out", self.F.silu(self.norm("conv_norm_out", x)), padding=1)


def diffusion_batch(config: models.DiffusionUNetConfig) -> tuple[Any, Any, Any]:
    images = RNG.standard_normal((2, config.in_channels, 4, 2))
    return images, np.array([3, 700]), None if config.num_class_embeds is None else [2, 0]


class TorchState:
    """Parameters of a network of ours in PyTorch, for `same_gradients`."""

    def __init__(self, ours: Any):
        import torch

        torch.manual_seed(0)
        self.tensors: dict[str, Any] = {}
        for name, parameter in ours.named_parameters():
            there = torch.tensor(parameter.numpy())
            there = there + 0.02 * torch.randn_like(there)
            self.tensors[name] = there.requires_grad_()

    def state_dict(self) -> Any:
        return {name: tensor.detach() for name, tensor in self.tensors.items()}

    def named_parameters(self) -> Any:
        return self.tensors.items()

    def zero_grad(self) -> None:
        for tensor in self.tensors.values():
            tensor.grad = None


def test_a_unet_for_diffusion() -> None:
    torch_nn()
    import torch

    ours = models.DiffusionUNet(SMALL, lm.float64)
    assert (ours.conv_out.weight.numpy() == 0).all()  # so that a new network says nothing
    x, steps, labels = diffusion_batch(SMALL)
    target = RNG.standard_normal(x.shape)

    def their_loss(net: TorchState) -> Any:
        told = TorchDiffusionUNet(SMALL, net.tensors)(torch.tensor(x), torch.tensor(steps), labels)
        return torch.nn.functional.mse_loss(told, torch.tensor(target))

    same_gradients(
        ours,
        TorchState(ours),
        lambda net: functional.mse_loss(net(lm.asarray(x), steps, labels), target),
        their_loss,
        eager=False,
    )


def test_a_unet_for_diffusion_with_one_head() -> None:
    torch_nn()
    import torch

    ours = models.DiffusionUNet(ONE_HEAD, lm.float64)
    theirs = TorchState(ours)
    ours.load_state_dict(theirs.state_dict())
    x, steps, _ = diffusion_batch(ONE_HEAD)
    told = TorchDiffusionUNet(ONE_HEAD, theirs.tensors)(torch.tensor(x), torch.tensor(steps))
    close(ours(lm.asarray(x), steps), told)


@pytest.mark.parametrize("config", [SMALL, ONE_HEAD], ids=["classes", "one head"])
def test_weights_of_diffusers(config: models.DiffusionUNetConfig) -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    torchvision_models()  # it is imported by diffusers
    unet = pytest.importorskip("diffusers.models.unets.unet_2d").UNet2DModel
    import torch

    sizes = asdict(config)
    downs = sizes.pop("attention")
    theirs = unet(
        **sizes,
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in downs],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(downs)],
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
    )
    ours = models.DiffusionUNet(config, lm.float64)
    stirred(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x, steps, labels = diffusion_batch(config)
    given = None if labels is None else torch.tensor(labels)
    found = theirs(torch.tensor(x), torch.tensor(steps), given).sample
    close(ours(lm.asarray(x), steps, labels), found, 1e-5)  # theirs has sines in single precision


def test_a_step_of_training() -> None:
    lm.random.seed(0)
    images = RNG.standard_normal((2, 1, 8, 8)).astype(np.float32)
    labels = (images[:, 0] > 0).astype(int)
    model = models.UNet(1, 2, 2, 1)
    falls(model, lambda model: functional.cross_entropy(model(lm.asarray(images)), labels))


MESSAGES = [
    (
        lambda: models.UNet(1, 2, 2, 3)(lm.ones((1, 1, 7, 20))),
        "ShapeError: UNet: the images are too small for so many halvings\n"
        "  x: f32[1,1,7,20]\n  depth: 3",
    ),
    (
        lambda: models.DiffusionUNet(ONE_HEAD)(lm.ones((1, 1, 5, 8)), [0]),
        "ShapeError: DiffusionUNet: the sides of an image are no multiple of 2 to the halvings\n"
        "  x: f32[1,1,5,8]\n  halvings: 1",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=["unet", "diffusion"])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
