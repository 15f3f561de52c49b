"""The equations that `simplify` applies; every rule of every file here is used."""

import importlib
import pkgutil

from lamina.graph.ir.pattern import Rule

RULES: tuple[Rule, ...] = tuple(
    rule
    for module in pkgutil.iter_modules(__path__)
    for rule in vars(importlib.import_module(f"{__name__}.{module.name}")).values()
    if isinstance(rule, Rule)
)
