"""A recording of another tool, called by its file or folder."""

from __future__ import annotations

from etl.ingest.reading.naming import log_name
from etl.ingest.source import About, Recording
from etl.run.names import run_id


class NamedRecording(Recording):
    """One whose `name` people see; its run is called so, as far as the store lets it."""

    @property
    def name(self) -> str:
        return log_name(self.path)

    @property
    def run_id(self) -> str:
        return run_id(self.name)

    def about(self) -> About:
        return About(self.name)
