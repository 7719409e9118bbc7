"""Pictures into a collection; nothing of it knows the engine.

In the order of the flow:

- writer.py is where one writer adds, removes and compacts, and keeps the statistics true;
- pictures.py streams pictures through the network, in batches, each stage ahead of the next;
- possible_words.py refuses more words than the pictures have local features;
- sample.py draws some of these features, kept_maps.py keeps the maps that they came from;
- training.py learns whitening and vocabulary from them, or generic.py takes those of the package;
- given_channel.py asks a function of the caller's what each cell of a picture weighs;
- indexer.py makes the words of every picture and commits them, batch by batch.
"""

from blcf.adding.indexer import AddReport
from blcf.adding.writer import add_images, compact_files, remove_images

__all__ = ["AddReport", "add_images", "compact_files", "remove_images"]
