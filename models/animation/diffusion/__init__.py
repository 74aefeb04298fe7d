"""Stable Diffusion engines: ControlNet image to image, AnimateDiff, and what keeps them steady, fast and exact."""
