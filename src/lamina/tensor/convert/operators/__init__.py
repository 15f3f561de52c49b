"""What converted functions call in place of Python's statements; `bindings` lists the names."""
