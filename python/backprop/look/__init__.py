"""What a network shows of itself: traces, explanations, accounts, diagnoses, checks and pictures.

Each module takes a `Core`; none needs another room than the core, and the reference below it.
Numbers such as 4.2 or 5.2 are sections of the note, which the chapter "The note, executed" of the
documents states.
"""
