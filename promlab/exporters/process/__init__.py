"""Groups of processes as metrics, under the names of process-exporter."""
