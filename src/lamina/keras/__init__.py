"""Floor 11: models written as in Keras 3, over `lamina.nn` and `train.Trainer`; ready ones load."""

from lamina.keras import activations as activations
from lamina.keras import initializers as initializers
from lamina.keras import layers as layers
from lamina.keras import losses as losses
from lamina.keras import metrics as metrics
from lamina.keras import models as models
from lamina.keras import optimizers as optimizers
from lamina.keras.layer import Layer as Layer
from lamina.keras.model import Input as Input
from lamina.keras.model import Model as Model
from lamina.keras.model import load_model as load_model
from lamina.keras.model import model_from_json as model_from_json
from lamina.keras.sequential import Sequential as Sequential
from lamina.keras.symbols import Symbol as Symbol
from lamina.keras.training import History as History
