"""The formats of checkpoints, one file each: where a file has its tensors, told by its header alone."""
