"""The lake: partitions of events, usage, CRM and scores in files, and DuckDB to read them."""

from pql.lake.lake import Lake
from pql.lake.publish import Published

__all__ = ["Lake", "Published"]
