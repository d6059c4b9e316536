"""Any torch module as a source of tensors: how its tensors are called, how they lie and what they are."""
