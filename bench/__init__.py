"""Measurements: ours and what a user would pick instead, side by side in one run. See bench/README.md."""
