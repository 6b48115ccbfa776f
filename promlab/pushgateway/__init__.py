"""The Pushgateway: jobs that end before they could be scraped push their metrics here.

`grouping` reads the labels of a path, `body` what was pushed, `store` keeps groups that are
consistent with each other, `journal` makes them survive the end of the process, `app` is HTTP.
"""
