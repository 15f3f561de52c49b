"""Floor 0: dtypes, trees, source spans, errors and configuration. Imports nothing of Lamina."""
