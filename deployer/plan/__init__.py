"""What would be done: a pure, total and deterministic function of what is there. No I/O."""
