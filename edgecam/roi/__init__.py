"""Regions of interest: from tracks to the plan that an encoder follows."""
from edgecam.roi.planner import RoiPlanner

__all__ = ["RoiPlanner"]
