"""Regions of interest: from tracks to the plan that an encoder follows."""
from edgecam.roi.planner import RoiPlanner
from edgecam.roi.soften import open_background

__all__ = ["RoiPlanner", "open_background"]
