"""Blocks: stretches of stored samples that never change again, as Parquet files in a folder.

    thrift.py, parquet_*.py   the container: Parquet, as little of it as blocks need
    layout.py, meta.py        which files and columns a block has; its meta.json and its name
    write.py, block.py        writing one, and reading one
    catalog.py                all blocks of a data directory, as a reader sees them
    merge.py                  rows of several blocks and the head's batch, as one batch
    head_cut.py               sealed chunks of the head become blocks
    compact.py, retention.py  joining blocks; which are joined, and which go
    tombstones.py             deletion
    job.py, keeper.py         the child process that does it all, and the writer's side of it

docs/format.md has every file and column.
"""
