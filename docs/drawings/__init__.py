"""The pictures of the documentation, one file each: every one shows a run of Lamina.

A file `name.py` has `draw()`, which gives a figure of matplotlib or the text of an SVG file; it
becomes `docs/pictures/name.svg`. `python -m docs.make_pictures` draws them all.
"""
