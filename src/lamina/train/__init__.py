"""Floor 10: training: a loop that resumes to the bit, and the pieces it is made of."""

from lamina.train.callbacks import Callback as Callback
from lamina.train.callbacks import EarlyStopping as EarlyStopping
from lamina.train.callbacks import Every as Every
from lamina.train.callbacks import PrintLog as PrintLog
from lamina.train.callbacks import StopOnNonFinite as StopOnNonFinite
from lamina.train.interruption import Interruption as Interruption
from lamina.train.logs import CsvLog as CsvLog
from lamina.train.logs import JsonLinesLog as JsonLinesLog
from lamina.train.logs import TensorBoardLog as TensorBoardLog
from lamina.train.logs import read_csv as read_csv
from lamina.train.logs import read_json_lines as read_json_lines
from lamina.train.precision import LossScale as LossScale
from lamina.train.precision import lowered as lowered
from lamina.train.progress import ProgressBar as ProgressBar
from lamina.train.rate_finder import RateSweep as RateSweep
from lamina.train.rate_finder import find_rate as find_rate
from lamina.train.seeds import seed_everything as seed_everything
from lamina.train.seeds import undisturbed as undisturbed
from lamina.train.step import Step as Step
from lamina.train.throughput import measured_peak as measured_peak
from lamina.train.trainer import Trainer as Trainer
