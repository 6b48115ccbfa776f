"""moto's EC2 without what a lab never asks for: 60 MB less in its process.

moto reads, when it is imported, which instance types 30 regions offer, and keeps what botocore
knows of all services. Here a region's offers are read when somebody asks for that region.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Any

_OFFERS = "instance_type_offerings"


class Offers(dict[str, Any]):
    """By region, as moto wants them; read from moto's own files at the first question."""

    def __init__(self, location_type: str) -> None:
        super().__init__()
        self._location_type = location_type

    def __missing__(self, region: str) -> Any:
        from moto.utilities.utils import load_resource

        try:
            path = f"ec2/resources/{_OFFERS}/{self._location_type}/{region}.json"
            found = load_resource(path)
        except OSError:
            raise KeyError(region) from None  # moto knows nothing of it either
        for offer in found:
            offer["LocationType"] = self._location_type
        self[region] = found
        return found

    def get(self, region: str, default: Any = None) -> Any:
        """As of any dictionary, after a look into the file."""
        try:
            return self[region]
        except KeyError:
            return default


def load() -> None:
    """Import moto's EC2, and give back what only its import needed."""
    from moto.utilities import utils

    everything = utils.load_resource
    utils.load_resource = lambda path: [] if _OFFERS in str(path) else everything(path)
    try:
        from moto.ec2 import models  # noqa: F401 (its import is what is wanted)
        from moto.ec2.models import instance_types
    finally:
        utils.load_resource = everything
    for location_type in instance_types.INSTANCE_TYPE_OFFERINGS:
        instance_types.INSTANCE_TYPE_OFFERINGS[location_type] = Offers(location_type)


def trim() -> None:
    """Give freed memory back to the system: a process that starts frees more than it keeps."""
    from moto.core.base_backend import AccountSpecificBackend

    AccountSpecificBackend.get_session.cache_clear()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not every C library has it
        ctypes.CDLL(None).malloc_trim(0)
