"""A query and its best hits to a better query."""

from blcf.expansion.average import average_query

__all__ = ["average_query"]
