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
from lamina.functional.adaptive_pooling import adaptive_avg_pool1d as adaptive_avg_pool1d
from lamina.functional.adaptive_pooling import adaptive_avg_pool2d as adaptive_avg_pool2d
from lamina.functional.adaptive_pooling import adaptive_avg_pool3d as adaptive_avg_pool3d
from lamina.functional.adaptive_pooling import adaptive_max_pool1d as adaptive_max_pool1d
from lamina.functional.adaptive_pooling import adaptive_max_pool2d as adaptive_max_pool2d
from lamina.functional.adaptive_pooling import adaptive_max_pool3d as adaptive_max_pool3d
from lamina.functional.adaptive_pooling import global_avg_pool as global_avg_pool
from lamina.functional.adaptive_pooling import global_max_pool as global_max_pool
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
from lamina.functional.distances import cdist as cdist
from lamina.functional.distances import cosine_similarity as cosine_similarity
from lamina.functional.distances import pairwise_distance as pairwise_distance
from lamina.functional.distances import pdist as pdist
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
from lamina.functional.grids import affine_grid as affine_grid
from lamina.functional.grids import grid_sample as grid_sample
from lamina.functional.layouts import convert_layout as convert_layout
from lamina.functional.linear import addmm as addmm
from lamina.functional.linear import bilinear as bilinear
from lamina.functional.linear import linear as linear
from lamina.functional.losses.binary import binary_cross_entropy as binary_cross_entropy
from lamina.functional.losses.binary import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from lamina.functional.losses.binary import sigmoid_focal_loss as sigmoid_focal_loss
from lamina.functional.losses.classification import cross_entropy as cross_entropy
from lamina.functional.losses.classification import nll_loss as nll_loss
from lamina.functional.losses.ctc import ctc_loss as ctc_loss
from lamina.functional.losses.embedding import contrastive_loss as contrastive_loss
from lamina.functional.losses.embedding import cosine_embedding_loss as cosine_embedding_loss
from lamina.functional.losses.embedding import info_nce as info_nce
from lamina.functional.losses.embedding import nt_xent as nt_xent
from lamina.functional.losses.embedding import triplet_margin_loss as triplet_margin_loss
from lamina.functional.losses.embedding import (
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from lamina.functional.losses.likelihood import gaussian_nll_loss as gaussian_nll_loss
from lamina.functional.losses.likelihood import kl_div as kl_div
from lamina.functional.losses.likelihood import poisson_nll_loss as poisson_nll_loss
from lamina.functional.losses.margin import hinge_embedding_loss as hinge_embedding_loss
from lamina.functional.losses.margin import margin_ranking_loss as margin_ranking_loss
from lamina.functional.losses.margin import multi_margin_loss as multi_margin_loss
from lamina.functional.losses.margin import multilabel_margin_loss as multilabel_margin_loss
from lamina.functional.losses.margin import (
    multilabel_soft_margin_loss as multilabel_soft_margin_loss,
)
from lamina.functional.losses.margin import soft_margin_loss as soft_margin_loss
from lamina.functional.losses.regression import huber_loss as huber_loss
from lamina.functional.losses.regression import l1_loss as l1_loss
from lamina.functional.losses.regression import mse_loss as mse_loss
from lamina.functional.losses.regression import smooth_l1_loss as smooth_l1_loss
from lamina.functional.losses.words import negative_sampling_loss as negative_sampling_loss
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
from lamina.functional.resampling import interpolate as interpolate
from lamina.functional.sampling import keep_top_k as keep_top_k
from lamina.functional.sampling import keep_top_p as keep_top_p
from lamina.functional.segments import segment_max as segment_max
from lamina.functional.segments import segment_mean as segment_mean
from lamina.functional.segments import segment_min as segment_min
from lamina.functional.segments import segment_softmax as segment_softmax
from lamina.functional.segments import segment_sum as segment_sum
from lamina.functional.shuffles import channel_shuffle as channel_shuffle
from lamina.functional.shuffles import pixel_shuffle as pixel_shuffle
from lamina.functional.shuffles import pixel_unshuffle as pixel_unshuffle
from lamina.functional.shuffles import unflatten as unflatten
from lamina.functional.unpooling import max_unpool1d as max_unpool1d
from lamina.functional.unpooling import max_unpool2d as max_unpool2d
from lamina.functional.unpooling import max_unpool3d as max_unpool3d
from lamina.functional.windows import fold as fold
from lamina.functional.windows import unfold as unfold
from lamina.tensor.api import one_hot as one_hot
from lamina.tensor.api import tanh as tanh
