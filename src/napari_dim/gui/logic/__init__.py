"""What is shown, offered and done, decided without Qt."""
