"""Customers: ask the shop for its pages, a few times a second, for ever."""

import random
import sys
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PAGES = [("GET", "/"), ("GET", "/search?what=tea"), ("POST", "/order")]


def main(shop: str) -> None:
    """Shop until somebody ends it; a closed shop is tried again."""
    connection = HTTPConnection(urlsplit(shop).netloc, timeout=5)
    while True:
        method, page = random.choices(PAGES, weights=(6, 3, 1))[0]
        try:
            connection.request(method, page)
            connection.getresponse().read()
        except (HTTPException, OSError):
            connection.close()
            time.sleep(1)
        time.sleep(random.expovariate(8))


if __name__ == "__main__":
    main(sys.argv[1])
