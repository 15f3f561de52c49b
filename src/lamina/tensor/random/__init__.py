"""Random numbers: counter-based, so one stream eager, jitted, batched and sharded.

A key is two uint32 words. A `Generator` holds a key and counts its draws; each draw folds the
count into the key. The default generator serves every function that is given no key; inside `jit`
its state is an input of the program, inside `vmap` each example has a key of its own.

Distributions without a required parameter take the shape first: `normal((3, 4))`. Those with one
take it first and the shape after the parameters: `gamma(2.0, (3, 4))` by name `shape=`. Without a
shape the parameters broadcast to it. Numbers are computed in float32 (float64 where asked for) and
rounded once to smaller dtypes.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Threefry-2x32-20).
"""

from lamina.tensor.random.categories import bernoulli as bernoulli
from lamina.tensor.random.categories import categorical as categorical
from lamina.tensor.random.categories import choice as choice
from lamina.tensor.random.counts import binomial as binomial
from lamina.tensor.random.counts import geometric as geometric
from lamina.tensor.random.counts import multinomial as multinomial
from lamina.tensor.random.counts import poisson as poisson
from lamina.tensor.random.families import beta as beta
from lamina.tensor.random.families import chi2 as chi2
from lamina.tensor.random.families import dirichlet as dirichlet
from lamina.tensor.random.families import gamma as gamma
from lamina.tensor.random.families import student_t as student_t
from lamina.tensor.random.generator import Generator as Generator
from lamina.tensor.random.generator import default as default
from lamina.tensor.random.generator import get_state as get_state
from lamina.tensor.random.generator import next_key as next_key
from lamina.tensor.random.generator import seed as seed
from lamina.tensor.random.generator import set_state as set_state
from lamina.tensor.random.integers import permutation as permutation
from lamina.tensor.random.integers import randint as randint
from lamina.tensor.random.integers import shuffle as shuffle
from lamina.tensor.random.inverse import cauchy as cauchy
from lamina.tensor.random.inverse import exponential as exponential
from lamina.tensor.random.inverse import gumbel as gumbel
from lamina.tensor.random.inverse import laplace as laplace
from lamina.tensor.random.inverse import logistic as logistic
from lamina.tensor.random.inverse import pareto as pareto
from lamina.tensor.random.inverse import rayleigh as rayleigh
from lamina.tensor.random.inverse import uniform as uniform
from lamina.tensor.random.inverse import weibull as weibull
from lamina.tensor.random.keys import bits as bits
from lamina.tensor.random.keys import fold_in as fold_in
from lamina.tensor.random.keys import key as key
from lamina.tensor.random.keys import split as split
from lamina.tensor.random.normals import lognormal as lognormal
from lamina.tensor.random.normals import normal as normal
from lamina.tensor.random.normals import truncated_normal as truncated_normal
from lamina.tensor.random.vectors import ball as ball
from lamina.tensor.random.vectors import multivariate_normal as multivariate_normal
from lamina.tensor.random.vectors import orthogonal as orthogonal
from lamina.tensor.random.vectors import sphere as sphere
