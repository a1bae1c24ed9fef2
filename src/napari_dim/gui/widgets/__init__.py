"""Widgets that the panels are made of."""
