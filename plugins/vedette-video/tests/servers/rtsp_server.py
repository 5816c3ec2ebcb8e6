"""An RTSP server on loopback, run by the system's Python: needs python3-gi and gir1.2-gst-rtsp-server-1.0.

    /usr/bin/python3 rtsp_server.py 'videotestsrc is-live=true ! ... ! rtph264pay name=pay0' [--options]

Serves the pipeline as ``/live`` and prints its port. ``--user`` and ``--password`` ask for them, ``--digest`` as a
digest; ``--cert`` (a PEM file with key and certificate) serves RTSPS.
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def main():
    options = parse()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {options.pipeline} )")
    factory.set_shared(True)
    if options.user or options.cert:
        server.set_auth(guard(factory, options))
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        raise SystemExit(f"cannot listen at port {options.port}")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("pipeline")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--cert")
    return parser.parse_args()


def guard(factory, options):
    auth = GstRtspServer.RTSPAuth()
    if options.cert:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options.cert))
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if options.user is None:
        auth.set_default_token(token)
    elif options.digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(options.user, options.password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(options.user, options.password), token)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)
    return auth


if __name__ == "__main__":
    main()
