"""From a function's source to the source of its converted form; no tensor is known here."""
