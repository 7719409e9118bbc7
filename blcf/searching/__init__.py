"""From what a person points at to hits; nothing of it knows the engine.

In the order of the flow:

- options.py is how to search, searchable.py what is searched: index, snapshot, model, bags;
- regions.py says where the object is in a picture, views.py takes the picture through the network
  to bags, queries.py makes queries of pictures of any form and of frames of the collection;
- searcher.py is one search: the inverted file ranks, reranker.py ranks the best hits by the windows
  that show the object, expansion.py makes a better query of these;
- outcome.py is what the stages hand on, explanation.py why a hit has its score;
- hits.py is what the person gets, notebook.py how it shows itself, table.py and hit_rows.py as
  rows; asking.py is one search of examples from end to end; moments.py are hits that belong
  together (grouping.py), by the films, times and bags that pictures.py knows.
"""

from blcf.searching.hits import Hits
from blcf.searching.moments import Moment, Moments
from blcf.searching.options import SearchOptions
from blcf.searching.queries import Example
from blcf.searching.searchable import Searchable
from blcf.searching.searcher import Searcher

__all__ = ["Example", "Hits", "Moment", "Moments", "SearchOptions", "Searchable", "Searcher"]
