"""Learning rates as functions of the steps taken so far."""

from lamina.optim.schedules.compose import Chained as Chained
from lamina.optim.schedules.compose import Sequential as Sequential
from lamina.optim.schedules.cosine import Cosine as Cosine
from lamina.optim.schedules.cosine import WarmRestarts as WarmRestarts
from lamina.optim.schedules.cycle import WSD as WSD
from lamina.optim.schedules.cycle import Cyclic as Cyclic
from lamina.optim.schedules.cycle import OneCycle as OneCycle
from lamina.optim.schedules.decay import Exponential as Exponential
from lamina.optim.schedules.decay import InverseSquareRoot as InverseSquareRoot
from lamina.optim.schedules.decay import Linear as Linear
from lamina.optim.schedules.decay import MultiStep as MultiStep
from lamina.optim.schedules.decay import Polynomial as Polynomial
from lamina.optim.schedules.decay import Step as Step
from lamina.optim.schedules.plateau import Plateau as Plateau
from lamina.optim.schedules.schedule import Constant as Constant
from lamina.optim.schedules.schedule import Lambda as Lambda
from lamina.optim.schedules.schedule import Schedule as Schedule
