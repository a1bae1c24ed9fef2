"""PNG, JPEG, TIFF and folders of them."""
