"""HTTP as a client, for everything that asks others: TLS, proxies, credentials, redirects.

`session.HttpClient` is one section of a configuration at work, `direct` the fast way to plain
addresses, `redirects` where credentials may follow, `failures` what an error is called. What is
asked, and what is done with the answer, is up to the rooms above.
"""
