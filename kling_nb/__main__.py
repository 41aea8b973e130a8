"""``python -m kling_nb``: the command ``kling-nb`` where scripts are not on the path."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
