"""Starts Qt and OpenGL and prints what came up, as JSON; run as a child process."""

from __future__ import annotations

import json
import sys
from typing import Any


def probe() -> dict[str, Any]:
    """Qt's binding, version and platform, and OpenGL's renderer and version, or the error."""
    try:
        import qtpy
        from qtpy.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext
    except Exception as error:
        # qtpy raises its own types for no binding; a broken one raises ImportError.
        return {
            "error": f"Qt can't be loaded: {' '.join(str(error).split())}",
            "remedy": 'Install it with: pip install "napari-dim[all]"',
        }
    application = QGuiApplication(sys.argv[:1])
    found = {
        "binding": qtpy.API_NAME,
        "qt": qtpy.QT_VERSION,
        "platform": application.platformName(),
    }
    surface, context = QOffscreenSurface(), QOpenGLContext()
    surface.create()
    if not (context.create() and context.makeCurrent(surface)):
        return {**found, "error": "OpenGL does not start", "remedy": "Update the graphics driver"}
    from OpenGL import GL

    for key, name in (("renderer", GL.GL_RENDERER), ("opengl", GL.GL_VERSION)):
        text = GL.glGetString(name)
        found[key] = text.decode(errors="replace") if text else "unknown"
    context.doneCurrent()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()) + "\n")
