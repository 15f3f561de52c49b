"""Graph to graph with the same meaning. The order of passes is the business of backend/compile."""

from lamina.graph.passes.absorb_permutes import absorb_permutes as absorb_permutes
from lamina.graph.passes.drop_dead import drop_dead as drop_dead
from lamina.graph.passes.fold_constants import fold_constants as fold_constants
from lamina.graph.passes.fuse import fuse as fuse
from lamina.graph.passes.inline_calls import inline_calls as inline_calls
from lamina.graph.passes.legalize import legalize as legalize
from lamina.graph.passes.lower_custom_ops import lower_custom_ops as lower_custom_ops
from lamina.graph.passes.merge_equal import merge_equal as merge_equal
from lamina.graph.passes.merge_loops import merge_loops as merge_loops
from lamina.graph.passes.merge_loops import trim_loops as trim_loops
from lamina.graph.passes.narrow_contractions import narrow_contractions as narrow_contractions
from lamina.graph.passes.pass_ import Pass as Pass
from lamina.graph.passes.pass_ import Record as Record
from lamina.graph.passes.pass_ import graph_pass as graph_pass
from lamina.graph.passes.save_less import save_less as save_less
from lamina.graph.passes.simplify import simplify as simplify
from lamina.graph.passes.split_complex import split_complex as split_complex
from lamina.graph.passes.split_reductions import split_reductions as split_reductions
from lamina.graph.passes.winograd import winograd as winograd

PASSES: tuple[Pass, ...] = (
    inline_calls,
    lower_custom_ops,
    merge_loops,
    trim_loops,
    split_complex,
    simplify,
    absorb_permutes,
    narrow_contractions,
    winograd,
    merge_equal,
    drop_dead,
    fold_constants,
    legalize,
    split_reductions,
    fuse,
    save_less,
)
