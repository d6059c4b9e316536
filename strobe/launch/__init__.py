"""What a training can be asked for: one list of fields, from which the flags and the form of the app are made."""
