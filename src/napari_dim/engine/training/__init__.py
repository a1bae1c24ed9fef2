"""Training as a stream of events, here or in a child process."""
