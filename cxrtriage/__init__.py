"""Chest-film triage for research and teaching; not a medical device.

Importing this package is cheap: torch is loaded when a net is first needed.
"""

__version__ = "0.1.0"
