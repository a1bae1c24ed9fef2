"""Make the phantom in this folder again: ``python sample_data/make_phantom.py``."""

from pathlib import Path

from napari_dim.data.phantom import make_phantom

if __name__ == "__main__":
    print(make_phantom(Path(__file__).parent, seed=0))
