"""What OpenSSL can do and Python's ssl module does not offer: client certificates that nobody
verifies, several curves, the names of the authorities that clients are asked for.

It calls the very library that the ssl module stands on, with the context that it holds. Where
that can't be reached (a Python with OpenSSL inside, or another one than CPython), it refuses.
"""

from __future__ import annotations

import ctypes
import ssl
import sys
from functools import lru_cache
from typing import Any

_SET_GROUPS_LIST = 92  # SSL_CTRL_SET_GROUPS_LIST
_VERIFY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


_ACCEPT = _VERIFY(lambda store, argument: 1)  # kept: OpenSSL calls it for every handshake


def accept_any_certificate(context: ssl.SSLContext) -> None:
    """Take whatever certificate a client shows; that it has the key is verified all the same."""
    library, pointer = _library(), _pointer(context)
    library.SSL_CTX_set_cert_verify_callback.argtypes = [ctypes.c_void_p, _VERIFY, ctypes.c_void_p]
    library.SSL_CTX_set_cert_verify_callback.restype = None
    library.SSL_CTX_set_cert_verify_callback(pointer, _ACCEPT, None)


def set_groups(context: ssl.SSLContext, names: list[str]) -> None:
    """Agree on keys over these curves only."""
    library, pointer = _library(), _pointer(context)
    library.SSL_CTX_ctrl.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p
    ]  # fmt: skip
    library.SSL_CTX_ctrl.restype = ctypes.c_long
    if library.SSL_CTX_ctrl(pointer, _SET_GROUPS_LIST, 0, ":".join(names).encode()) != 1:
        raise ValueError(f"OpenSSL does not know all of the curves {', '.join(names)}")


def name_authorities(context: ssl.SSLContext, file: str) -> None:
    """Tell clients whose certificates are wanted: those of the authorities in a file."""
    library, pointer = _library(), _pointer(context)
    library.SSL_load_client_CA_file.argtypes = [ctypes.c_char_p]
    library.SSL_load_client_CA_file.restype = ctypes.c_void_p
    names = library.SSL_load_client_CA_file(file.encode())
    if names:
        library.SSL_CTX_set_client_CA_list.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.SSL_CTX_set_client_CA_list.restype = None
        library.SSL_CTX_set_client_CA_list(pointer, names)  # it owns the names from now on


@lru_cache(maxsize=1)
def _library() -> Any:
    import _ssl

    library = ctypes.CDLL(getattr(_ssl, "__file__", None))
    if sys.implementation.name != "cpython" or not hasattr(library, "SSL_CTX_ctrl"):
        raise ValueError("this Python's OpenSSL can't be told more than its ssl module offers")
    library.SSL_CTX_get_verify_mode.argtypes = [ctypes.c_void_p]
    return library


def _pointer(context: ssl.SSLContext) -> int:
    """The SSL_CTX of a context: the first thing that CPython's object holds."""
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if not pointer or _library().SSL_CTX_get_verify_mode(pointer) != _modes(context):
        raise ValueError("this Python keeps its OpenSSL contexts in another way")
    return pointer


def _modes(context: ssl.SSLContext) -> int:
    peer, fail = 1, 2  # SSL_VERIFY_PEER, SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    return {ssl.CERT_NONE: 0, ssl.CERT_OPTIONAL: peer, ssl.CERT_REQUIRED: peer | fail}[
        context.verify_mode
    ]
