"""Settings of every test.

Property tests try the same examples in each run, so that what passes once passes again on the same
code. To look for new ones: `pytest --hypothesis-profile explore`.
"""

from hypothesis import settings

settings.register_profile("suite", derandomize=True)
settings.register_profile("explore", max_examples=2000)
settings.load_profile("suite")
