"""Collections and hits for other programs.

Of a collection, all its pictures (exported.py is what each of these reads):

- picture_list.py: names, sizes and facts as CSV;
- parquet.py: these and the bags as Parquet; dense descriptors, too;
- points.py: the bags as sparse vectors in Qdrant.

Of hits:

- coco.py: pictures and boxes as COCO, of a collection as well;
- edl.py: moments as an edit decision list (CMX 3600);
- files.py: a clip around each moment, or its best frame as a picture.
"""

from blcf.exporting.coco import coco_of, write_coco
from blcf.exporting.edl import edl_of
from blcf.exporting.files import write_clips, write_stills
from blcf.exporting.parquet import write_descriptors, write_parquet
from blcf.exporting.picture_list import write_picture_list
from blcf.exporting.points import write_points

__all__ = [
    "coco_of",
    "edl_of",
    "write_clips",
    "write_coco",
    "write_descriptors",
    "write_parquet",
    "write_picture_list",
    "write_points",
    "write_stills",
]
