"""`%%prometheus`: a cell is the server's configuration: checked, written, applied.

Without a word it is this kernel's lab; with an instance of the EC2 lab, the server there.
"""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand

from promlab.lab.session import running
from promlab.magics.options import UsageError, words_of

_USAGE = "%%prometheus, or %%prometheus INSTANCE for a server of the EC2 lab"


@magics_class
class PrometheusMagic(Magics):  # type: ignore[misc]  # IPython has no types
    """The magic of one shell."""

    @no_var_expand  # type: ignore[untyped-decorator]
    @cell_magic  # type: ignore[untyped-decorator]
    def prometheus(self, line: str, cell: str) -> None:
        """Make the cell the configuration of a running server.

            %%prometheus
            global: {scrape_interval: 5s}
            scrape_configs: …

        What is not valid is told with line and column, and the server keeps what it has.
        """
        words = words_of(line, _USAGE)
        if len(words) > 1 or any(word.startswith("-") for word in words):
            raise UsageError(_USAGE)
        if words:
            from promlab.lab.ec2 import opened
            from promlab.lab.ec2.remote_config import apply

            named: Any = self.shell.user_ns.get(words[0], words[0])
            print(apply(opened(), str(named), cell))
            return
        lab = running()
        if lab is None:
            raise UsageError("no lab runs in this kernel: start one with promlab.start()")
        lab.apply(cell)
        print(f"applied: {lab.url} runs on this configuration")
