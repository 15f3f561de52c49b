"""Floor 9: formats of other systems."""

from lamina.interop import llama2c as llama2c
from lamina.interop.byte_pairs import read_byte_pairs as read_byte_pairs
from lamina.interop.byte_pairs import train_byte_pairs as train_byte_pairs
from lamina.interop.hugging_face import load_safetensors as load_safetensors
from lamina.interop.hugging_face import save_safetensors as save_safetensors
from lamina.interop.tokenizer import Tokenizer as Tokenizer
from lamina.interop.tokenizer import read_tokenizer as read_tokenizer
from lamina.interop.torch_files import Unread as Unread
from lamina.interop.torch_files import load_torch as load_torch
from lamina.interop.weights import load_weights as load_weights
from lamina.interop.weights import read_weights as read_weights
