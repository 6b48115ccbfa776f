"""The lab: a server of one's own in the notebook, and what is taught with it."""
