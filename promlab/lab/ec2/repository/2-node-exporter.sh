#!/usr/bin/env bash
# Installs and starts the node exporter: http://localhost:9100/metrics
set -euo pipefail
apt-get install -y prometheus-node-exporter
service prometheus-node-exporter start
echo "The node exporter listens on port 9100."
