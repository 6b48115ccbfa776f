"""Benchmarks beside the real peers: `make bench`, or `python -m benchmarks NAME`."""
