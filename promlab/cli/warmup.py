"""`promlab warmup`: compile the kernels into the cache, so that nothing waits for them later."""

from __future__ import annotations

import argparse
import sys
import time


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    parser.add_argument(
        "--portable",
        action="store_true",
        help="for any processor of this kind: in images that run on other machines",
    )
    parser.add_argument("modules", nargs="*", help="modules of kernels; all by default")


def run(args: argparse.Namespace) -> int:
    """Compile what is not in the cache yet; the best part of a minute the first time."""
    from promlab import lifeline
    from promlab.jit import store

    lifeline.watch()
    started, missing = time.perf_counter(), args.modules or store.kernel_modules()
    if not all(store.is_built(module, portable=args.portable) for module in missing):
        from promlab.jit import build

        for name in build.warmup(args.modules, portable=args.portable):
            if not args.quiet:
                print(f"compiling {name}", file=sys.stderr, flush=True)
    if not args.quiet:
        took = time.perf_counter() - started
        print(f"kernels ready after {took:.1f} s in {store.cache_dir()}", file=sys.stderr)
    return 0
