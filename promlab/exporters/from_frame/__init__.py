"""Tables as metrics: each number of a row is a sample, its texts are the labels."""
