"""Floor 1: what an Op, a Value and a Graph are. Names no op."""

from lamina.graph.ir.graph import Graph as Graph
from lamina.graph.ir.graph import grafted as grafted
from lamina.graph.ir.graph import inline as inline
from lamina.graph.ir.graph import rebuild as rebuild
from lamina.graph.ir.graph import topological as topological
from lamina.graph.ir.graph import trace as trace
from lamina.graph.ir.op import REGISTRY as REGISTRY
from lamina.graph.ir.op import Op as Op
from lamina.graph.ir.op import same_dtype as same_dtype
from lamina.graph.ir.sizes import graph_at as graph_at
from lamina.graph.ir.sizes import type_at as type_at
from lamina.graph.ir.types import TensorType as TensorType
from lamina.graph.ir.types import TupleType as TupleType
from lamina.graph.ir.types import Type as Type
from lamina.graph.ir.value import Expression as Expression
from lamina.graph.ir.value import Value as Value
from lamina.graph.ir.value import apply as apply
from lamina.graph.ir.value import emit as emit
from lamina.graph.ir.value import placeholder as placeholder
