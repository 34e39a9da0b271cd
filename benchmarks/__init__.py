"""Benchmarks of backprop against the frameworks a user would otherwise pick."""
