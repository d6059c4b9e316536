"""Train: start trainings, and look after what is queued and running."""

from strobe.ui.shell.without_runs import frame_without_runs
from strobe.ui.train import form, queue

if frame_without_runs("train"):
    queue.draw()
    form.draw()
