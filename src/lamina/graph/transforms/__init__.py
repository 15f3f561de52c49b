"""Graph to graph with a new meaning: derivatives and batching."""

from lamina.graph.transforms.batch import batch as batch
from lamina.graph.transforms.batch import batch_values as batch_values
from lamina.graph.transforms.batch import lifted_values as lifted_values
from lamina.graph.transforms.batch import repeated as repeated
from lamina.graph.transforms.differentiate import jvp as jvp
from lamina.graph.transforms.differentiate import pull_back as pull_back
from lamina.graph.transforms.differentiate import push_forward as push_forward
from lamina.graph.transforms.differentiate import saved_values as saved_values
from lamina.graph.transforms.differentiate import vjp as vjp
from lamina.graph.transforms.open_numbers import numbers_as_inputs as numbers_as_inputs
