"""Floor 9: optimisers. State is made at construction; `update` works eager and inside `jit`."""

from lamina.optim import schedules as schedules
from lamina.optim.adadelta import Adadelta as Adadelta
from lamina.optim.adagrad import Adagrad as Adagrad
from lamina.optim.adam import Adam as Adam
from lamina.optim.adam import AdamW as AdamW
from lamina.optim.adamax import Adamax as Adamax
from lamina.optim.asgd import ASGD as ASGD
from lamina.optim.clip import clip_by_norm as clip_by_norm
from lamina.optim.clip import clip_by_value as clip_by_value
from lamina.optim.clip import global_norm as global_norm
from lamina.optim.group import Group as Group
from lamina.optim.group import no_decay as no_decay
from lamina.optim.nadam import NAdam as NAdam
from lamina.optim.optimizer import Optimizer as Optimizer
from lamina.optim.radam import RAdam as RAdam
from lamina.optim.rmsprop import RMSprop as RMSprop
from lamina.optim.rprop import Rprop as Rprop
from lamina.optim.sgd import SGD as SGD
