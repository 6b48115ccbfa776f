"""Customers: ask the shop for its pages, a few times a second, for ever."""

import random
import sys
import time

import httpx

PAGES = [("GET", "/"), ("GET", "/search?what=tea"), ("POST", "/order")]


def main(shop: str) -> None:
    """Shop until somebody ends it; a closed shop is tried again."""
    with httpx.Client(base_url=shop, timeout=5) as client:
        while True:
            method, page = random.choices(PAGES, weights=(6, 3, 1))[0]
            try:
                client.request(method, page)
            except httpx.HTTPError:
                time.sleep(1)
            time.sleep(random.expovariate(8))


if __name__ == "__main__":
    main(sys.argv[1])
