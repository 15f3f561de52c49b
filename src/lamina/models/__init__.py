"""Floor 10: networks people know, one file each."""

from lamina.models.bert import Bert as Bert
from lamina.models.bert import BertConfig as BertConfig
from lamina.models.bert import BertForMaskedLM as BertForMaskedLM
from lamina.models.bert import BertForSequenceClassification as BertForSequenceClassification
from lamina.models.cache import Cache as Cache
from lamina.models.digit_net import DigitNet as DigitNet
from lamina.models.generation import beam_search as beam_search
from lamina.models.generation import generate as generate
from lamina.models.generation import stream as stream
from lamina.models.gpt2 import GPT2 as GPT2
from lamina.models.gpt2 import GPT2Config as GPT2Config
from lamina.models.llama import Llama as Llama
from lamina.models.llama import LlamaConfig as LlamaConfig
from lamina.models.lstm_language_model import LSTMLanguageModel as LSTMLanguageModel
from lamina.models.mobilenet_v2 import MobileNetV2 as MobileNetV2
from lamina.models.resnet import BasicBlock as BasicBlock
from lamina.models.resnet import Bottleneck as Bottleneck
from lamina.models.resnet import ResNet as ResNet
from lamina.models.resnet import resnet18 as resnet18
from lamina.models.resnet import resnet34 as resnet34
from lamina.models.resnet import resnet50 as resnet50
from lamina.models.t5 import T5 as T5
from lamina.models.t5 import T5Config as T5Config
from lamina.models.t5 import T5Continuation as T5Continuation
from lamina.models.vit import ViT as ViT
from lamina.models.vit import ViTConfig as ViTConfig
