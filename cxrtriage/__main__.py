"""`python -m cxrtriage ...`."""

import sys

from cxrtriage.cli import main

if __name__ == "__main__":
    sys.exit(main())
