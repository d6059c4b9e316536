"""SQL that strangers may type: a locked child process per query, and what of its result travels back."""
