"""HAProxy's statistics as metrics, under the names of Prometheus's haproxy_exporter."""
