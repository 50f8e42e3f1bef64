"""Where packets go: recordings, RTP, RTSP servers; `open_outputs` is the way in."""
from edgecam.outputs.fanout import Outputs, open_outputs
from edgecam.outputs.urls import make_output

__all__ = ["Outputs", "make_output", "open_outputs"]
