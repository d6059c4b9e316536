"""Reference training: a GPT-2 in PyTorch, the tasks it learns, and the loop that records it."""
