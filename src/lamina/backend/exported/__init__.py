"""Programs apart from the code that made them: saved to a file, loaded, and run without it.

Nothing here, and nothing that it imports, belongs to the front end.
"""

from lamina.backend.exported.file import load_program as load_program
from lamina.backend.exported.program import Exported as Exported
