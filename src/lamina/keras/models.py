"""Models under the names of `keras.models`."""

from lamina.keras.model import Model as Model
from lamina.keras.model import load_model as load_model
from lamina.keras.model import model_from_json as model_from_json
from lamina.keras.sequential import Sequential as Sequential
