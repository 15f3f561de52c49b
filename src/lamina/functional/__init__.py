"""Functions written only with ops: activations, linear maps, pooling, normalisation, losses.

No derivative or lowering rules here, ever: both follow from the ops.
"""

from lamina.functional.activations import gelu as gelu
from lamina.functional.activations import log_softmax as log_softmax
from lamina.functional.activations import logsigmoid as logsigmoid
from lamina.functional.activations import logsumexp as logsumexp
from lamina.functional.activations import mish as mish
from lamina.functional.activations import sigmoid as sigmoid
from lamina.functional.activations import silu as silu
from lamina.functional.activations import softmax as softmax
from lamina.functional.activations import softmin as softmin
from lamina.functional.activations import softplus as softplus
from lamina.functional.activations import softsign as softsign
from lamina.functional.activations import tanhshrink as tanhshrink
from lamina.functional.attention import alibi_bias as alibi_bias
from lamina.functional.attention import alibi_slopes as alibi_slopes
from lamina.functional.attention import attention_weights as attention_weights
from lamina.functional.attention import (
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from lamina.functional.convolution import conv1d as conv1d
from lamina.functional.convolution import conv2d as conv2d
from lamina.functional.convolution import conv3d as conv3d
from lamina.functional.convolution import conv_transpose1d as conv_transpose1d
from lamina.functional.convolution import conv_transpose2d as conv_transpose2d
from lamina.functional.convolution import conv_transpose3d as conv_transpose3d
from lamina.functional.dropout import alpha_dropout as alpha_dropout
from lamina.functional.dropout import drop_path as drop_path
from lamina.functional.dropout import dropout as dropout
from lamina.functional.dropout import feature_alpha_dropout as feature_alpha_dropout
from lamina.functional.dropout import feature_dropout as feature_dropout
from lamina.functional.embedding import embedding as embedding
from lamina.functional.embedding import embedding_bag as embedding_bag
from lamina.functional.embedding import shortened_rows as shortened_rows
from lamina.functional.gates import geglu as geglu
from lamina.functional.gates import glu as glu
from lamina.functional.gates import swiglu as swiglu
from lamina.functional.linear import addmm as addmm
from lamina.functional.linear import linear as linear
from lamina.functional.losses import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from lamina.functional.losses import cross_entropy as cross_entropy
from lamina.functional.losses import l1_loss as l1_loss
from lamina.functional.losses import mse_loss as mse_loss
from lamina.functional.losses import nll_loss as nll_loss
from lamina.functional.normalization import batch_norm as batch_norm
from lamina.functional.normalization import batch_statistics as batch_statistics
from lamina.functional.normalization import group_norm as group_norm
from lamina.functional.normalization import instance_norm as instance_norm
from lamina.functional.normalization import instance_statistics as instance_statistics
from lamina.functional.normalization import layer_norm as layer_norm
from lamina.functional.normalization import local_response_norm as local_response_norm
from lamina.functional.normalization import normalize as normalize
from lamina.functional.normalization import rms_norm as rms_norm
from lamina.functional.padding import pad as pad
from lamina.functional.pooling import avg_pool1d as avg_pool1d
from lamina.functional.pooling import avg_pool2d as avg_pool2d
from lamina.functional.pooling import avg_pool3d as avg_pool3d
from lamina.functional.pooling import lp_pool1d as lp_pool1d
from lamina.functional.pooling import lp_pool2d as lp_pool2d
from lamina.functional.pooling import lp_pool3d as lp_pool3d
from lamina.functional.pooling import max_pool1d as max_pool1d
from lamina.functional.pooling import max_pool2d as max_pool2d
from lamina.functional.pooling import max_pool3d as max_pool3d
from lamina.functional.positions import rotary_angles as rotary_angles
from lamina.functional.positions import rotary_embedding as rotary_embedding
from lamina.functional.positions import rotate_pairs as rotate_pairs
from lamina.functional.positions import sinusoidal_positions as sinusoidal_positions
from lamina.functional.rectifiers import celu as celu
from lamina.functional.rectifiers import elu as elu
from lamina.functional.rectifiers import hardshrink as hardshrink
from lamina.functional.rectifiers import hardsigmoid as hardsigmoid
from lamina.functional.rectifiers import hardswish as hardswish
from lamina.functional.rectifiers import hardtanh as hardtanh
from lamina.functional.rectifiers import leaky_relu as leaky_relu
from lamina.functional.rectifiers import prelu as prelu
from lamina.functional.rectifiers import relu as relu
from lamina.functional.rectifiers import relu6 as relu6
from lamina.functional.rectifiers import rrelu as rrelu
from lamina.functional.rectifiers import selu as selu
from lamina.functional.rectifiers import softshrink as softshrink
from lamina.functional.rectifiers import threshold as threshold
from lamina.functional.recurrent import gru_cell as gru_cell
from lamina.functional.recurrent import gru_step as gru_step
from lamina.functional.recurrent import lstm_cell as lstm_cell
from lamina.functional.recurrent import lstm_step as lstm_step
from lamina.functional.recurrent import recurrent as recurrent
from lamina.functional.recurrent import rnn_cell as rnn_cell
from lamina.functional.recurrent import rnn_step as rnn_step
from lamina.functional.sampling import keep_top_k as keep_top_k
from lamina.functional.sampling import keep_top_p as keep_top_p
from lamina.functional.segments import segment_max as segment_max
from lamina.functional.segments import segment_mean as segment_mean
from lamina.functional.segments import segment_min as segment_min
from lamina.functional.segments import segment_softmax as segment_softmax
from lamina.functional.segments import segment_sum as segment_sum
from lamina.functional.windows import fold as fold
from lamina.functional.windows import unfold as unfold
from lamina.tensor.api import one_hot as one_hot
from lamina.tensor.api import tanh as tanh
