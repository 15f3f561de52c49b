"""Floor 9: optimisers. State is made at construction; `update` works eager and inside `jit`."""

from lamina.optim.adam import Adam as Adam
from lamina.optim.adam import AdamW as AdamW
from lamina.optim.optimizer import Optimizer as Optimizer
from lamina.optim.sgd import SGD as SGD
