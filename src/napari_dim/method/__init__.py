"""The paper: tensors in, tensors out. README.md maps equation -> function -> test."""
