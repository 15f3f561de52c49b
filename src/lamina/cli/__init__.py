"""Floor 11: the `lamina` command."""

from lamina.cli.main import main as main
