"""Floor 9: layers, with PyTorch's names, shapes and initialisation."""

from lamina.nn.activation import GELU as GELU
from lamina.nn.activation import Dropout as Dropout
from lamina.nn.activation import ReLU as ReLU
from lamina.nn.activation import Tanh as Tanh
from lamina.nn.attention import MultiheadAttention as MultiheadAttention
from lamina.nn.container import Sequential as Sequential
from lamina.nn.convolution import Conv2d as Conv2d
from lamina.nn.convolution import MaxPool2d as MaxPool2d
from lamina.nn.embedding import Embedding as Embedding
from lamina.nn.embedding import EmbeddingBag as EmbeddingBag
from lamina.nn.linear import Flatten as Flatten
from lamina.nn.linear import Linear as Linear
from lamina.nn.module import Module as Module
from lamina.nn.normalization import BatchNorm2d as BatchNorm2d
from lamina.nn.normalization import LayerNorm as LayerNorm
from lamina.nn.recurrent import GRU as GRU
from lamina.nn.recurrent import LSTM as LSTM
from lamina.nn.recurrent import RNN as RNN
from lamina.nn.recurrent_cell import GRUCell as GRUCell
from lamina.nn.recurrent_cell import LSTMCell as LSTMCell
from lamina.nn.recurrent_cell import RNNCell as RNNCell
from lamina.nn.transformer import Transformer as Transformer
from lamina.nn.transformer import TransformerDecoder as TransformerDecoder
from lamina.nn.transformer import TransformerDecoderLayer as TransformerDecoderLayer
from lamina.nn.transformer import TransformerEncoder as TransformerEncoder
from lamina.nn.transformer import TransformerEncoderLayer as TransformerEncoderLayer
