"""Kubernetes: `access` knows the API server, `store` lists and watches, `roles` makes targets."""

from __future__ import annotations

from promlab.discovery.kubernetes.run import KubernetesDiscovery

__all__ = ["KubernetesDiscovery"]
