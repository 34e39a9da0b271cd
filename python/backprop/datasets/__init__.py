"""Data sets that ship with the package, each with its licence beside it; no code."""
