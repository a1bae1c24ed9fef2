"""What is made of masks alone: surfaces and tables."""
