"""The architectures whose tensors' names are known, each in a file of its own; others keep their own names."""
