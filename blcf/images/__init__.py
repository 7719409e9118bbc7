"""Where pictures come from: finding files, reading them as RGB arrays, reading ahead.

- a `Source` (sources.py) has names, and an `Original` (originals.py) for each: the picture where it
  is, read when it is its turn. `ImageList` is one of files, `GivenPictures` one of what the caller
  holds; `as_sources` makes them of whatever is added;
- `find_images` (folder.py) lists pictures and gives each its name in a collection, from a folder
  or a list (lists.py); `join_lists` (joining.py) makes one list of several;
- of a film (films.py) frames are listed, called ``film.mp4@00:00:12.345`` (frame_names.py), and
  decoded one after the other or by seeking (film_reader.py); video.py is what knows FFmpeg;
  shots.py finds cuts as they go by, film_lists.py puts the frames of films into lists, clips.py
  copies parts of films;
- `read_image` (reading.py) reads one, the right way up, or says why it cannot be read;
  modes.py turns every Pillow mode into RGB; `resize_image` scales the longer side, and
  `read_resized` does both in less memory;
- `as_image` (pixels.py) takes a picture of any form: path, bytes, Pillow's, array;
- bounds.py says what a picture may ask for, headers.py, jpeg.py and tiff.py what one asks for;
  decoding.py hands it to Pillow then, and room.py says when there is memory for it;
- `read_mask` (masks.py) reads a mask that somebody drew on a picture;
- `read_ahead` (prefetch.py) reads the next pictures in threads, in order;
- `display_name` (names.py) writes any file name so that it can be printed.

Files go in and arrays come out; nothing here knows a network or a collection.
"""

from blcf.images.film_reader import read_frame
from blcf.images.films import Choice, Choices, Film, FrameChoice
from blcf.images.folder import IMAGE_SUFFIXES, find_images, find_listed
from blcf.images.frame_names import canonical_frame, file_of, film_of, frame_place
from blcf.images.image_list import ImageList
from blcf.images.joining import join_lists
from blcf.images.masks import read_mask
from blcf.images.names import display_name
from blcf.images.originals import (
    Loaded,
    Original,
    PictureFacts,
    content_digest,
    file_digest,
    file_state,
)
from blcf.images.pixels import ImageLike, as_image, check_image, use_image
from blcf.images.prefetch import read_ahead
from blcf.images.reading import Large, read_image, read_resized, read_through
from blcf.images.resizing import resize_image, resized_size
from blcf.images.sources import GivenPictures, Source, as_sources

__all__ = [
    "Choice",
    "Choices",
    "IMAGE_SUFFIXES",
    "Film",
    "FrameChoice",
    "GivenPictures",
    "ImageLike",
    "ImageList",
    "Loaded",
    "Original",
    "PictureFacts",
    "Source",
    "as_image",
    "canonical_frame",
    "as_sources",
    "check_image",
    "content_digest",
    "Large",
    "display_name",
    "file_digest",
    "file_of",
    "file_state",
    "film_of",
    "frame_place",
    "find_images",
    "find_listed",
    "join_lists",
    "read_ahead",
    "read_frame",
    "read_image",
    "read_mask",
    "read_resized",
    "read_through",
    "resize_image",
    "resized_size",
    "use_image",
]
