"""A client by GStreamer's rtspsrc: ends well after a number of packets.

Usage: gst_client.py URL PACKETS.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


def main():
    Gst.init(None)
    url, wanted = sys.argv[1], int(sys.argv[2])
    pipeline = Gst.parse_launch(f"rtspsrc location={url} name=src ! fakesink name=sink sync=false signal-handoffs=true")
    loop = GLib.MainLoop()
    left = [wanted]

    def taken(*_):
        left[0] -= 1
        if left[0] == 0:
            loop.quit()

    def message(_, message):
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
            print(message.parse_error() if message.type == Gst.MessageType.ERROR else "end", file=sys.stderr)
            loop.quit()

    pipeline.get_by_name("sink").connect("handoff", taken)
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", message)
    GLib.timeout_add_seconds(20, loop.quit)
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    sys.exit(0 if left[0] <= 0 else 1)


main()
