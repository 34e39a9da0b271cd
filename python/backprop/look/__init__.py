"""What a network shows of itself: traces, explanations, accounts, diagnoses, checks and pictures.

Each module takes a `Core`; none needs another room than the core, and the reference below it.
"""
