"""What the stand-ins `service`, `systemctl` and `apt-get` of an instance do.

A stand-in sends its words as one line of JSON over the instance's control socket and gets back
`{"text": …, "code": …}`. Texts are those of Ubuntu, as far as a course needs them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

from promlab.lab.ec2 import services
from promlab.lab.ec2.machine import Machine

_MOST_BYTES = 65_536
_NOT_FOUND, _INACTIVE, _FAILED = 4, 3, 1


async def serve(machine: Machine) -> asyncio.Server:
    """Listen on the machine's control socket."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            text, code = await obey(machine, request["words"], request["user"])
        except (ValueError, KeyError, TypeError):
            text, code = "the lab did not understand that", 1
        writer.write(json.dumps({"text": text, "code": code}).encode())
        await writer.drain()
        writer.close()

    machine.control.unlink(missing_ok=True)
    return await asyncio.start_unix_server(answer, machine.control, limit=_MOST_BYTES)


async def obey(machine: Machine, words: Sequence[str], user: str) -> tuple[str, int]:
    """Text and exit code of one command."""
    command, *rest = words
    rest = [word for word in rest if not word.startswith("-")]
    if command == "service":
        return await _service(machine, rest[:1], rest[1:2], user)
    if command == "systemctl":
        return await _systemctl(machine, rest, user)
    if command in ("apt-get", "apt"):
        return _apt(machine, rest, user)
    return f"{command}: command not found", 127


async def _systemctl(machine: Machine, words: Sequence[str], user: str) -> tuple[str, int]:
    if words[:1] == ["daemon-reload"]:
        return ("", 0) if user == "root" else _needs_root("daemon-reload")
    return await _service(machine, words[1:2], words[:1], user)


async def _service(
    machine: Machine, names: Sequence[str], verbs: Sequence[str], user: str
) -> tuple[str, int]:
    if not names or not verbs:
        return "Usage: service <service> start | stop | restart | reload | status", 1
    name, verb = names[0].removesuffix(".service"), verbs[0]
    if verb == "status":
        return _status(machine, name)
    if verb not in ("start", "stop", "restart", "reload", "enable", "disable"):
        return f"Unknown command verb {verb}.", 1
    if user != "root":
        return _needs_root(f"{verb} {name}.service")
    if services.unit(name, machine.root, machine.inner) is None:
        if services.written(name, machine.root).is_file():
            told = "Service has no ExecStart= setting. Refusing."
            return f"Failed to {verb} {name}.service: {told}", _FAILED
        return f"{name}: unrecognized service", _NOT_FOUND
    if verb == "reload":
        return ("", 0) if machine.reload(name) else (f"{name}.service is not active", _FAILED)
    if verb == "enable":
        machine.enabled.add(name)
        return "", 0
    if verb == "disable":
        machine.enabled.discard(name)
        return "", 0
    if verb in ("stop", "restart"):
        await machine.stop(name)
    if verb == "stop":
        machine.enabled.discard(name)
        return "", 0
    problem = await machine.start(name)
    return problem, _FAILED if problem else 0


def _needs_root(what: str) -> tuple[str, int]:
    return f"Failed to {what}: Access denied (try it with sudo)", _FAILED


def _status(machine: Machine, name: str) -> tuple[str, int]:
    unit = services.unit(name, machine.root, machine.inner)
    if unit is None:
        return f"Unit {name}.service could not be found.", _NOT_FOUND
    service = machine.services.get(name)
    if service is None:
        state, code = "inactive (dead)", _INACTIVE
    else:
        when = time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime(service.since))
        status = service.process.returncode
        if service.active:
            state, code = f"active (running) since {when}", 0
        elif status in (0, -15):
            state, code = "inactive (dead)", _INACTIVE
        else:
            state, code = f"failed (Result: exit-code {status})", _INACTIVE
    lines = [f"● {name}.service - {unit.description}", f"     Active: {state}"]
    if service is not None:
        if service.active:
            lines.append(f"   Main PID: {service.process.pid}")
        lines += ["", *list(service.lines)[-10:]]
    return "\n".join(lines), code


def _apt(machine: Machine, words: Sequence[str], user: str) -> tuple[str, int]:
    verb, packages = (words[0] if words else ""), words[1:]
    if verb not in ("update", "install", "upgrade"):
        return "the lab knows apt-get update and apt-get install", 100
    if user != "root":
        lock = "Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)"
        return f"E: {lock}\nE: are you root? (try it with sudo)", 100
    if verb != "install":
        return "Reading package lists... Done", 0
    lines = ["Reading package lists... Done", "Building dependency tree... Done"]
    for package in packages:
        if package not in services.PRESENT and package not in services.PACKAGES:
            known = ", ".join(sorted(services.PACKAGES))
            problem = f"E: Unable to locate package {package}"
            return "\n".join([*lines, problem, f"(the lab has: {known})"]), 100
    for package in packages:
        services.install(package, machine.root)
        lines.append(f"Setting up {package} ...")
    return "\n".join(lines), 0
