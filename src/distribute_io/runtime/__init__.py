"""What a long-running process needs of its machine, and decides nothing."""
