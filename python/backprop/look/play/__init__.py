"""A network as a page: every equation of the note with its numbers, in one HTML file.

>>> from backprop import play
>>> play.save("play.html", net, X, y)

The file fetches nothing. Its script states the equations of section 5.2 once more, on the network's
weights and data, so that a reader can step through both passes, follow one weight and train.
"""

from backprop.look.play._page import page, save
from backprop.look.play._toys import TOYS, spirals, two_moons

__all__ = ["TOYS", "page", "save", "spirals", "two_moons"]
