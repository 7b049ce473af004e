"""`python -m tierprof` is the command line."""

import sys

from tierprof.cli import main

sys.exit(main())
