"""Signing to glosses: features of a pose, recognizers that learn from examples or by training, and how well they do."""
