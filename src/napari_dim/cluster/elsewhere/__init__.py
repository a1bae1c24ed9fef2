"""A window's training on a server: what is sent, what is kept there, and the way between."""
