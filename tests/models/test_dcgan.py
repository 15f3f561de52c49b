"""DCGAN beside PyTorch's layers: pictures, losses, gradients, and steps of both networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import models
from tests.models.peers import close, same_gradients
from tests.nn.test_errors import message

RNG = np.random.default_rng(0)
NOISE = RNG.standard_normal((4, 5))
REAL = np.tanh(RNG.standard_normal((4, 2, 16, 16)))


def torch_pair() -> tuple[Any, Any]:
    """The networks for pictures of 16 x 16 under the names of PyTorch's examples."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    nn = torch.nn
    torch.manual_seed(0)

    def named(*parts: Any) -> Any:
        net = nn.Module()
        net.main = nn.Sequential(*parts)
        return net.double()

    generator = named(
        nn.ConvTranspose2d(5, 6, 4, 1, 0, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 3, 4, 2, 1, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.ConvTranspose2d(3, 2, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = named(
        nn.Conv2d(2, 3, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(3, 6, 4, 2, 1, bias=False),
        nn.BatchNorm2d(6),
        nn.LeakyReLU(0.2),
        nn.Conv2d(6, 1, 4, 1, 0, bias=False),
    )
    return generator, discriminator


def our_pair(dtype: Any = lm.float64) -> tuple[Any, Any]:
    sizes: Any = {"width": 3, "channels": 2, "side": 16, "dtype": dtype}
    return models.Generator(5, **sizes), models.Discriminator(**sizes)


def test_losses_and_their_gradients() -> None:
    generator, discriminator = torch_pair()
    drawer, critic = our_pair()
    import torch

    binary = torch.nn.functional.binary_cross_entropy_with_logits
    real, noise = torch.tensor(REAL), torch.tensor(NOISE)[:, :, None, None]

    def told(net: Any, x: Any, label: float) -> Any:
        logits = net.main(x).flatten()
        return binary(logits, torch.full_like(logits, label))

    same_gradients(
        critic,
        discriminator,
        lambda net: models.discriminator_loss(net, REAL, REAL[:, :, ::-1]),
        lambda net: told(net, real, 1.0) + told(net, real.flip(2), 0.0),
    )
    critic.load_state_dict(discriminator.eval().state_dict())
    critic.eval()
    same_gradients(
        drawer,
        generator,
        lambda net: models.generator_loss(critic, net(NOISE)),
        lambda net: told(discriminator, net.main(noise), 1.0),
    )
    drawer.load_state_dict(generator.state_dict())
    close(drawer.eval()(NOISE), generator.eval().main(noise))


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_steps_are_those_of_the_known_loop(compiled: bool) -> None:
    """Three steps with Adam: losses, parameters and running statistics."""
    theirs = torch_pair()
    ours = our_pair()
    import torch

    generator, discriminator = theirs
    binary = torch.nn.functional.binary_cross_entropy_with_logits
    adam: Any = {"lr": 0.01, "betas": (0.5, 0.999)}
    for our, their in zip(ours, theirs, strict=True):
        our.load_state_dict(their.state_dict())
    our_optimizers = [lm.optim.Adam(net, **adam) for net in ours]
    their_optimizers = [torch.optim.Adam(net.parameters(), **adam) for net in theirs]
    step = lm.jit(models.adversarial_step) if compiled else models.adversarial_step
    for i in range(3):
        real, noise = REAL * (1 - 0.1 * i), NOISE * (1 + 0.1 * i)
        found = step(*ours, *our_optimizers, real, noise)
        made = generator.main(torch.tensor(noise)[:, :, None, None])
        right = discriminator.main(torch.tensor(real)).flatten()
        wrong = discriminator.main(made.detach()).flatten()
        first = binary(right, torch.ones_like(right)) + binary(wrong, torch.zeros_like(wrong))
        their_optimizers[1].zero_grad()
        first.backward()
        their_optimizers[1].step()
        wrong = discriminator.main(made).flatten()
        second = binary(wrong, torch.ones_like(wrong))
        their_optimizers[0].zero_grad()
        second.backward()
        their_optimizers[0].step()
        close(found[0], first, 1e-8)
        close(found[1], second, 1e-8)
    for our, their in zip(ours, theirs, strict=True):
        state = our.state_dict()
        assert list(state) == list(their.state_dict())
        for name, tensor in their.state_dict().items():
            close(state[name], tensor, 1e-6)  # Adam divides by small second moments


def test_a_critic_learns_to_tell_noise_from_stripes() -> None:
    lm.random.seed(0)
    nets = our_pair(lm.float32)
    optimizers = [lm.optim.Adam(net, 5e-3, betas=(0.5, 0.999)) for net in nets]
    real = np.broadcast_to(np.sign(np.sin(np.arange(16))), (8, 2, 16, 16)).astype(np.float32)
    step = lm.jit(models.adversarial_step)
    losses = [float(step(*nets, *optimizers, real, lm.random.normal((8, 5)))[0]) for _ in range(20)]
    assert losses[0] > 1.2 and losses[-1] < 0.8
    pictures = nets[0].eval().sample(3, lm.random.key(0))
    assert pictures.shape == (3, 2, 16, 16) and float(lm.max(lm.abs(pictures))) < 1


def test_sizes_of_the_paper() -> None:
    drawer, critic = models.Generator(width=8), models.Discriminator(width=8)
    assert drawer.main[0].weight.shape == (100, 64, 4, 4)
    assert len(list(drawer.main)) == 14 and len(list(critic.main)) == 12
    assert critic.main[11].weight.shape == (1, 64, 4, 4)
    assert abs(float(lm.std(drawer.main[0].weight)) - 0.02) < 1e-3  # of 102,400


@pytest.mark.parametrize("side", [4, 24])
def test_message(side: int) -> None:
    assert message(lambda: models.Generator(side=side)) == (
        f"UsageError: DCGAN: the side of a picture is a power of two\n  side:  {side}\n  least: 8"
    )
