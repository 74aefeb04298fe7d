"""Video to landmarks to `.pose`, and what is made of them. Cleaning is in `models.pose.clean`."""

from models.pose.batch import ClipOutcome, extract_many
from models.pose.extract import PoseOptions, PoseResult, extract_pose
from models.pose.files import read_pose, write_pose
from models.pose.openpose import draw_openpose, to_openpose
from models.pose.preview import write_preview
from models.pose.quality import QualityReport, assess

__all__ = [
    "ClipOutcome",
    "PoseOptions",
    "PoseResult",
    "QualityReport",
    "assess",
    "draw_openpose",
    "extract_many",
    "extract_pose",
    "read_pose",
    "to_openpose",
    "write_pose",
    "write_preview",
]
