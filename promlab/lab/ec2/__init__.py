"""An Amazon EC2 for a course: the same boto3 cells on a simulated AWS and on the real one.

    cloud = promlab.lab.ec2.open()                 # simulated, on loopback addresses
    ec2 = cloud.client("ec2")                      # an ordinary boto3 client

`host.py` is the simulated side, a process of its own: moto answers the API, and each instance
that it knows of is a `Machine` with an address, a folder, a shell behind SSH, services, and a
firewall that obeys its security groups. Nothing of it listens beyond the loopback interface.
"""

from __future__ import annotations

from promlab.lab.ec2.cloud import Cloud, open, opened

__all__ = ["Cloud", "open", "opened"]
