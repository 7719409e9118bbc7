"""Hits for other programs: annotation tools, cutting rooms, folders of clips and stills.

- coco.py: pictures and boxes as COCO;
- edl.py: moments as an edit decision list (CMX 3600);
- files.py: a clip around each moment, or its best frame as a picture.
"""

from blcf.exporting.coco import coco_of
from blcf.exporting.edl import edl_of
from blcf.exporting.files import write_clips, write_stills

__all__ = ["coco_of", "edl_of", "write_clips", "write_stills"]
