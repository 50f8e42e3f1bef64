"""A real RTSP server to publish to: GStreamer's, run by the system's Python, which has its bindings.

    python3 rtsp_server.py FILE [USER PASSWORD basic|digest]

Records what is published at rtsp://127.0.0.1:PORT/cam into FILE (Annex B), and prints PORT.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

LAUNCH = ("( rtph264depay name=depay0 ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au "
          "! filesink location={} sync=false async=false buffer-mode=unbuffered )")


def main(path, user=None, password=None, scheme=None):
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(LAUNCH.format(path))
    factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    if user:
        server.set_auth(authority(factory, user, password, scheme))
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


def authority(factory, user, password, scheme):
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "publisher")
    permissions = GstRtspServer.RTSPPermissions()
    for name in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("publisher", name, True)
    factory.set_permissions(permissions)
    if scheme == "basic":
        auth.set_supported_methods(1)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(2)
        auth.add_digest(user, password, token)
    return auth


if __name__ == "__main__":
    main(*sys.argv[1:])
