"""`%%ssh INSTANCE`: the cell's lines run in bash on an instance of the EC2 lab."""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand

from promlab.magics.options import UsageError, words_of

_USAGE = "%%ssh INSTANCE [--key FILE], where INSTANCE is an id or the name of a variable"


@magics_class
class SshMagic(Magics):  # type: ignore[misc]  # IPython has no types
    """The magic of one shell."""

    @no_var_expand  # type: ignore[untyped-decorator]
    @cell_magic  # type: ignore[untyped-decorator]
    def ssh(self, line: str, cell: str) -> None:
        """Run the cell on an instance, as its user `ubuntu`, and print what comes.

            %%ssh instance --key course.pem
            git --version

        A command that fails ends nothing, as in any shell; the last one's exit code is told if it
        is not 0.
        """
        from promlab.lab.ec2 import opened

        instance, key = self._words(line)
        session = opened().shell(instance, key)
        for piece in session.run(cell):
            sys.stdout.write(piece)
            sys.stdout.flush()
        if session.code:
            print(f"[exit code {session.code}]")

    def _words(self, line: str) -> tuple[str, str | None]:
        words = words_of(line, _USAGE)
        key = None
        if "--key" in words:
            at = words.index("--key")
            if at + 1 == len(words):
                raise UsageError(f"--key needs a file: {_USAGE}")
            key = words[at + 1]
            del words[at : at + 2]
        if len(words) != 1 or words[0].startswith("-"):
            raise UsageError(_USAGE)
        named: Any = self.shell.user_ns.get(words[0], words[0])
        return str(named), key
