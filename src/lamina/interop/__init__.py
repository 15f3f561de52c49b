"""Floor 9: formats of other systems."""

from lamina.interop import llama2c as llama2c
