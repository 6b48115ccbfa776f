"""One file a kind of receiver: what its configuration holds, and what it sends."""
