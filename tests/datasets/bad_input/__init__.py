"""What may be wrong with anybody's data, done to every format in turn; docs/formats.md shows it as a table.

Every format is a folder of a few small frames, written from its public description by code that knows no reader.
"""

from __future__ import annotations

from tests.datasets.bad_input.argoverse2 import ARGOVERSE2
from tests.datasets.bad_input.bags import BAGS
from tests.datasets.bad_input.kitti import FAMILY, KITTI
from tests.datasets.bad_input.nuscenes import NUSCENES
from tests.datasets.bad_input.pandaset import PANDASET
from tests.datasets.bad_input.plain_folder import PLAIN_FOLDER
from tests.datasets.bad_input.waymo import WAYMO

ONE_OF_EVERY_READER = (NUSCENES, *KITTI, FAMILY[-1], WAYMO, ARGOVERSE2, PANDASET, PLAIN_FOLDER, BAGS)
"""of SemanticKITTI's relatives, which share one, that with files of another kind"""
FORMATS = (NUSCENES, *KITTI, *FAMILY, WAYMO, ARGOVERSE2, PANDASET, PLAIN_FOLDER, BAGS)
