"""`promlab debug`: what somebody who helps wants to see of a server."""

COMMANDS = {
    "metrics": "fetch the metrics of a server into an archive",
    "all": "fetch metrics, status pages, targets and rules of a server into an archive",
}
