"""Runs the method and yields events; knows no window."""
