"""The array namespace: functions by the names of the Python array API standard (2024.12)."""
