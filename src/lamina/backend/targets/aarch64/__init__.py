"""64-bit Arm processors."""
