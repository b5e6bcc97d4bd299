"""A camera by GStreamer: /h264, /h265 and /jpeg, with digest authentication if asked for.

Usage: gst_camera.py ADDRESS [USER PASSWORD [PEM]]. Prints its port once it listens and ends when its
standard input is closed. With a file of certificate and key it speaks RTSPS.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={w},height={h},framerate=10/1"
MOUNTS = {
    "/h264": PICTURE.format(w=320, h=240)
    + " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! rtph264pay name=pay0 pt=96",
    "/h264-slices": PICTURE.format(w=640, h=360)
    + " ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=5 option-string=slices=4"
    + " ! rtph264pay name=pay0 pt=96 config-interval=-1 aggregate-mode=zero-latency mtu=600",
    "/h265": PICTURE.format(w=320, h=240)
    + " ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! h265parse"
    + " ! rtph265pay name=pay0 pt=96",
    "/jpeg": PICTURE.format(w=320, h=240) + " ! jpegenc quality=70 ! rtpjpegpay name=pay0 pt=26",
    "/vp8": PICTURE.format(w=320, h=240) + " ! vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96",
}


def main():
    Gst.init(None)
    address, *login = sys.argv[1:]
    pem = login.pop(2) if len(login) > 2 else None
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service("0")
    for path, launch in MOUNTS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {launch} )")
        factory.set_shared(True)
        if login:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("user", "media.factory.access", True)
            permissions.add_permission_for_role("user", "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    if login:
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_digest(login[0], login[1], token)
        if pem:
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(pem))
        server.set_auth(auth)
    server.attach(None)
    loop = GLib.MainLoop()
    print(server.get_bound_port(), flush=True)

    def end_with_parent():
        sys.stdin.read()
        loop.quit()

    threading.Thread(target=end_with_parent, daemon=True).start()
    loop.run()


main()
