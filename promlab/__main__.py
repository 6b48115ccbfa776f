"""`python -m promlab` is `promlab`."""

from __future__ import annotations

import sys

from promlab.cli import main

sys.exit(main())
