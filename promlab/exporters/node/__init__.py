"""The node exporter: this machine's numbers under the names of node_exporter.

`exporter` runs the collectors and times them; `host` is where they read from; `collectors/`
has one file for each. On Linux they read /proc and /sys; elsewhere psutil gives what it can,
and a collector that finds nothing reports success 0 while the page is served all the same.
"""
