"""What every server of promlab stands on: requests and answers, sockets, log lines.

A bare ASGI layer, without a framework and without any endpoint of its own.
"""
