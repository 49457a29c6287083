"""`python -m train fit | evaluate`."""

import sys

from train.command import main

if __name__ == "__main__":
    sys.exit(main())
