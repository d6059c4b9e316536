"""Sources of tensors, one module a kind of model or framework; each knows its own and nothing of the others."""
