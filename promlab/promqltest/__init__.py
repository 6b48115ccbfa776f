"""Test scripts of PromQL: their language, and a runner for them in this process."""
