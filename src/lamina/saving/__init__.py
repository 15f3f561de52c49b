"""Floor 9: checkpoints that survive a kill at any moment and are checked when read."""

from lamina.saving.checkpoint import load as load
from lamina.saving.checkpoint import metadata_of as metadata_of
from lamina.saving.checkpoint import restore as restore
from lamina.saving.checkpoint import save as save
from lamina.saving.checkpoints import Checkpoints as Checkpoints
from lamina.saving.state import copied as copied
from lamina.saving.state import put_back as put_back
from lamina.saving.state import state_of as state_of
