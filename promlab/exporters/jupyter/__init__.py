"""Kernels, sessions and terminals of a Jupyter Server; users and servers of a JupyterHub."""
