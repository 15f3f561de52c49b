"""Floor 4: machines as data. One folder per architecture, one file per processor; nothing above
names them."""

from lamina.backend.targets.select import described, select
from lamina.backend.targets.target import Caches, Target
