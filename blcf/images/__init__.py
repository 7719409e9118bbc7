"""Where pictures come from: finding files, reading them as RGB arrays, reading ahead.

- `find_images` (folder.py) lists pictures and gives each its name in a collection;
- `read_image` (reading.py) reads one, the right way up, or says why it cannot be read;
  modes.py turns every Pillow mode into RGB; `resize_image` scales the longer side;
- `as_image` (pixels.py) takes a picture of any form: path, bytes, Pillow's, array;
- `read_mask` (masks.py) reads a mask that somebody drew on a picture;
- `read_ahead` (prefetch.py) reads the next pictures in threads, in order;
- `display_name` (names.py) writes any file name so that it can be printed.

Files go in and arrays come out; nothing here knows a network or a collection.
"""

from blcf.images.folder import IMAGE_SUFFIXES, ImageList, find_images
from blcf.images.masks import read_mask
from blcf.images.names import display_name
from blcf.images.pixels import ImageLike, as_image, check_image
from blcf.images.prefetch import read_ahead
from blcf.images.reading import read_image, resize_image, resized_size

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageLike",
    "ImageList",
    "as_image",
    "check_image",
    "display_name",
    "find_images",
    "read_ahead",
    "read_image",
    "read_mask",
    "resize_image",
    "resized_size",
]
