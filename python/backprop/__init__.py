"""Backpropagation for fully-connected networks."""
