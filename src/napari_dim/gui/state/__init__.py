"""What the window knows, evented and small; without Qt."""
