"""`blcf serve`: a page over the engine, and the same for programs in JSON.

In the order of a request:

- guard.py asks whose it is (Host, token, Origin), and says what a browser may do with the answer;
  limits.py says how much may be asked for, refusals.py why there is no answer, replies.py how one
  is written;
- app.py has the addresses: assets.py the page, collections.py lists, facts and pictures, films.py
  their films, uploads.py pictures that are sent, searching.py searches and evidence; openapi.py
  describes them;
- bodies.py reads what was sent, asked.py makes a search of it, held to option_table.py;
- workers.py has threads for each kind of work; hosting.py holds the collections, hosted.py one of
  them and what is committed in it by now, catalogue.py its pictures by ids, folders and films;
- drawing.py and answers.py make pictures, hits and evidence into what is sent; recent.py keeps
  what was used last;
- server.py binds and runs all this.

Invariant: pictures are named by ids, never by paths; a request reads nothing outside the
collections and writes nowhere.
"""

from blcf.web.app import create_app
from blcf.web.hosting import Hosting
from blcf.web.limits import Limits
from blcf.web.server import Address, serve

__all__ = ["Address", "Hosting", "Limits", "create_app", "serve"]
