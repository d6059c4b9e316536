"""The version of Strobe, which snapshots name as their writer. Alone here, so that nothing must import the package's
front door to say it."""

__version__ = "0.1.0"
