#!/usr/bin/env bash
# Installs and starts a web application with metrics, and a program that uses it.
set -euo pipefail
cd "$(dirname "$0")/app"
apt-get install -y python3-pip
pip install --break-system-packages fastapi uvicorn prometheus-fastapi-instrumentator
units="${ROOT:-}/etc/systemd/system"
cat >"$units/shop.service" <<UNIT
[Unit]
Description=A small shop with metrics

[Service]
WorkingDirectory=$PWD
ExecStart=$(command -v python3) -m uvicorn shop:app --host 0.0.0.0 --port 8005 --log-level warning

[Install]
WantedBy=multi-user.target
UNIT
cat >"$units/shoppers.service" <<UNIT
[Unit]
Description=Customers of the shop

[Service]
WorkingDirectory=$PWD
ExecStart=$(command -v python3) shoppers.py http://localhost:8005

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
service shop start
service shoppers start
echo "The shop listens on port 8005; its metrics are at /metrics."
