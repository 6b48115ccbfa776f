#!/usr/bin/env bash
# Installs Prometheus with the configuration beside this script; it is not started yet.
set -euo pipefail
cd "$(dirname "$0")"
apt-get update
apt-get install -y prometheus
service prometheus stop
cp prometheus.yaml "${ROOT:-}/etc/prometheus/prometheus.yml"
echo 'ARGS="--web.enable-lifecycle"' >"${ROOT:-}/etc/default/prometheus"
echo "Prometheus is installed. Start it: sudo service prometheus start"
