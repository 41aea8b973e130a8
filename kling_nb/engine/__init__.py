"""The engine: one thread, one clock, and everything that waits."""
