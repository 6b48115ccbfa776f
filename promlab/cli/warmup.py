"""`promlab warmup`: fill the cache of compiled kernels."""

from __future__ import annotations

import argparse
import sys
import time


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def run(args: argparse.Namespace) -> int:
    """Compile what is not in the cache yet; seconds the first time, an instant after that."""
    from promlab import jit

    started = time.perf_counter()
    for name in jit.warmup():
        if not args.quiet:
            print(f"compiling {name}", file=sys.stderr, flush=True)
    if not args.quiet:
        took = time.perf_counter() - started
        print(f"kernels ready after {took:.1f} s in {jit.cache_dir()}", file=sys.stderr)
    return 0
