"""``python -m backprop``: the command line where its script is not on the path."""

import sys

from backprop.cli import main

sys.exit(main())
