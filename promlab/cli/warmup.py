"""`promlab warmup`: compile the kernels into the cache, so that nothing waits for them later."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from promlab import lifeline


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
    """Compile what is not in the cache yet; a minute or two the first time."""
    from promlab.jit import store

    lifeline.watch()
    started, modules = time.perf_counter(), args.modules or store.kernel_modules()
    beside = None
    if not args.modules and (os.cpu_count() or 1) > 1:  # who names some may lack memory for two
        scraping, others = store.halves()
        if _missing(scraping, args.portable) and _missing(others, args.portable):
            beside = lifeline.spawn(_command(args, others), stdin=subprocess.DEVNULL)
            modules = scraping
    _compile(modules, args)
    failed = 0
    if beside is not None:
        failed = beside.wait()
        lifeline.release(beside)
    if not failed and not args.quiet:
        took = time.perf_counter() - started
        print(f"kernels ready after {took:.1f} s in {store.cache_dir()}", file=sys.stderr)
    return failed


def _missing(modules: Sequence[str], portable: bool) -> bool:
    from promlab.jit import store

    return not all(store.is_built(module, portable=portable) for module in modules)


def _compile(modules: Sequence[str], args: argparse.Namespace) -> None:
    if not _missing(modules, args.portable):
        return  # without numba
    from promlab.jit import build

    for name in build.warmup(modules, portable=args.portable):
        if not args.quiet:
            print(f"compiling {name}", file=sys.stderr, flush=True)


def _command(args: argparse.Namespace, modules: Sequence[str]) -> list[str]:
    """The same command for some modules, without a word."""
    flags = ["--portable"] * args.portable
    return lifeline.python("promlab", "warmup", "--quiet", *flags, *modules)
