"""Tools that change a mask: arrays in, arrays out; no window, no files."""
