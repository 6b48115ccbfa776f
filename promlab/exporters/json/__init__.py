"""Numbers in JSON documents as metrics, by modules in a file: what json_exporter is."""
