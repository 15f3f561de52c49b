"""`lm.grad` in a page becomes a link to the reference: names in code style that it describes."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

_NAME = re.compile(r"(?:lm\.|lamina\.)?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(.*\))?", re.S)
_ALIASES = ("lm.", "lamina.", "nn.", "optim.", "functional.", "models.", "metrics.", "data.")


def target(text: str, objects: dict[str, Any]) -> str | None:
    """The full name of what `text` names; None where it names nothing in the reference.

    A name alone, such as `grad`, is a word like any other: only names with the room they live in,
    `lm.grad` or `nn.Linear`, are taken for links.
    """
    if not text.startswith(_ALIASES):
        return None
    found = _NAME.fullmatch(text)
    full = f"lamina.{found[1]}" if found else ""
    return full if full in objects else None


class LinkNames(SphinxPostTransform):
    """Replaces such names by links, in text but not in headings or in other links."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Go through one page."""
        domain = self.env.get_domain("py")
        for literal in list(self.document.findall(nodes.literal)):
            if isinstance(literal.parent, nodes.title | nodes.reference):
                continue
            full = target(literal.astext(), domain.objects)
            if full is None:
                continue
            page = domain.objects[full].docname
            link = make_refnode(self.app.builder, self.env.docname, page, full, literal.deepcopy())
            literal.replace_self(link)
