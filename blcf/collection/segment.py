"""A segment: an immutable file with the names, sizes, assignment maps and postings of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.collection.batch import Batch
from blcf.collection.columns import COLUMNS, Columns, read_columns, write_columns
from blcf.collection.deletions import unpack_live
from blcf.collection.maps import Maps
from blcf.collection.names_copy import write_names
from blcf.collection.segment_contents import SegmentContents
from blcf.errors import FormatError, VocabularyMismatch
from blcf.index.blocks import blocks_below, read_blocks, write_sums
from blcf.index.names import Names
from blcf.index.postings import Postings
from blcf.index.tiles import TileLists
from blcf.storage import Place, open_h5, write_h5

__all__ = ["Segment"]

KIND, FORMAT_VERSION = "segment", 3
BEFORE = 2  # without ids and facts of files


@dataclass(frozen=True, eq=False)
class Segment(SegmentContents):
    """An opened segment: everything is mapped, nothing large is read before it is used."""

    @classmethod
    def write(
        cls,
        path: Place,
        batch: Batch,
        bags: sp.csr_matrix,
        vocabulary: str,
        columns: Columns,
    ) -> dict[str, Any]:
        """Write a batch; gives what the manifest says of the segment.

        Parameters
        ----------
        bags : CSR (n_images, n_words), raw term frequencies
        vocabulary : digest of the vocabulary, checked by `read`
        columns : of the images, see `make_columns`
        """
        segment = cls(
            path,
            Names.from_list(batch.names),
            columns,
            Maps.pack(batch.maps, batch.channels, bags.shape[1]),
            Postings.from_bags(bags),
            tiles=batch.tiles,
            tile_maps=(
                Maps.pack(batch.tile_maps, {"norm": batch.tile_norms}, bags.shape[1])
                if batch.tile_maps
                else None
            ),
        )
        return segment.save(vocabulary)

    @classmethod
    def merge(cls, path: Place, parts: Sequence[Segment], vocabulary: str) -> dict[str, Any]:
        """Write the live images of some segments, one behind the other, as a new segment.

        Holds the images in memory: what is merged at once is bounded by `merging.LARGEST`.
        """
        return cls.joined(path, parts).save(vocabulary)

    @classmethod
    def joined(cls, path: Place, parts: Sequence[Segment]) -> Segment:
        """The live images of some segments, one behind the other, in memory; see `save`."""
        kept = [part.live_mask for part in parts]
        return cls(
            path,
            Names.from_list([name for part in parts for name in part.live_names]),
            {
                name: np.concatenate([one.columns[name][keep] for one, keep in zip(parts, kept)])
                for name in parts[0].columns
            },
            Maps.join([(part.maps, keep) for part, keep in zip(parts, kept)]),
            Postings.merge([(part.postings, part.live) for part in parts]),
            tiles=TileLists.merge_any([(part.tiles, part.live) for part in parts]),
            tile_maps=Maps.join_any([(part.tile_maps, keep) for part, keep in zip(parts, kept)]),
        )

    def save(self, vocabulary: str) -> dict[str, Any]:
        """Write the file; gives what the manifest says of the segment."""
        stamp: dict[str, Any] = {}
        with write_h5(self.path, KIND, FORMAT_VERSION, out=stamp) as file:
            file.attrs["vocabulary"] = np.bytes_(vocabulary)
            self.names.write(file)
            write_columns(file, self.columns)
            self.maps.write(file.create_group("maps"))
            self.postings.write(file.create_group("postings"))
            if self.tiles is not None:
                self.tiles.write(file)
            if self.tile_maps is not None:
                self.tile_maps.write(file.create_group("tile_maps"))
            write_sums(file)
        return {
            "file": self.path.name,
            "n_images": self.n_images,
            **stamp,
            "names_digest": write_names(self.path, self.names, self.root_ids),
            "deleted": None,
        }

    @classmethod
    def read(
        cls, folder: Place, entry: dict[str, Any], vocabulary: str, layout: Any = None
    ) -> Segment:
        """Open the segment of an entry of the manifest, made with the vocabulary of a digest.

        Parameters
        ----------
        layout : what was kept of the layout of the file, see `blcf.collection.kept_statistics`

        Raises
        ------
        FormatError, VocabularyMismatch, StorageError
            What is checked is what a search needs to stay inside the arrays. Of the rest a block
            is verified when it is first used; `blcf.collection.check_collection` reads every byte.
        """
        path = folder / entry["file"]
        how: dict[str, Any] = {"n_bytes": entry["bytes"], "before": BEFORE, "layout": layout}
        with open_h5(path, KIND, FORMAT_VERSION, **how) as file:
            made = file.value("vocabulary", str)
            if made != vocabulary:
                raise VocabularyMismatch(
                    f"Expected {path} to be made with vocabulary {vocabulary}, it was made with "
                    f"{made}. Restore the collection from a copy, or index again."
                )
            blocks = read_blocks(file)
            version, first_id = file.value("format_version", int), entry.get("first_id")
            segment = cls(
                path,
                Names.read(file, blocks),
                columns=read_columns(file, entry["n_images"], version, first_id),
                maps=Maps.read_of(file, "maps", blocks),
                postings=Postings.read(file.group("postings"), blocks_below("postings", blocks)),
                blocks={one.name: blocks[one.name] for one in COLUMNS if one.name in blocks},
                layout=file,
                tiles=TileLists.read(file, entry["n_images"], blocks),
                tile_maps=(
                    Maps.read_of(file, "tile_maps", blocks) if "tile_maps" in file else None
                ),
            )
        segment.check_form(entry["n_images"])
        return segment.marked(entry)

    def marked(self, entry: dict[str, Any]) -> Segment:
        """The same segment with the deletion marks of an entry of the manifest."""
        try:
            return replace(self, live=unpack_live(entry["deleted"], entry["n_images"]))
        except FormatError as error:
            raise FormatError(f"{self.path} cannot be used: {error}. Index again.") from error
