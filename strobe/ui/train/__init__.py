"""The Train page: a form, what it will take, and the queue of jobs."""
